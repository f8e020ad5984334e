# The same with everything left out that can be.
terraform {
  required_providers {
    upcloud = { source = "UpCloudLtd/upcloud" }
  }
}

resource "upcloud_router" "hub" {
  name = "hub"
}

resource "upcloud_network" "other" {
  name = "other"
  zone = "fi-hel1"

  ip_network {
    address = "10.0.2.0/24"
    family  = "IPv4"
    dhcp    = false
  }
}

resource "upcloud_network" "lan" {
  name = "lan"
  zone = "fi-hel1"

  ip_network {
    address = "10.0.1.0/24"
    family  = "IPv4"
    dhcp    = false
  }
}

resource "upcloud_network" "off_the_grid" {
  name = "off the grid"
  zone = "de-fra1"

  ip_network {
    address = "192.168.86.1/24"
    family  = "IPv4"
    dhcp    = false
  }
}
