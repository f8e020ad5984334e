# The same with everything changed that can be.
terraform {
  required_providers {
    upcloud = { source = "UpCloudLtd/upcloud" }
  }
}

resource "upcloud_router" "hub" {
  name   = "renamed hub"
  labels = { env = "prod" }

  static_route {
    name    = "through the firewall"
    route   = "192.168.7.0/24"
    nexthop = "10.0.1.253"
  }
}

resource "upcloud_network" "other" {
  name   = "renamed other"
  zone   = "fi-hel1"
  router = upcloud_router.hub.id

  ip_network {
    address            = "10.0.2.0/24"
    family             = "IPv4"
    dhcp               = true
    dhcp_default_route = true
  }
}

resource "upcloud_network" "lan" {
  name   = "renamed lan"
  zone   = "fi-hel1"
  router = upcloud_router.hub.id
  labels = { env = "prod" }

  ip_network {
    address            = "10.0.1.0/24"
    family             = "IPv4"
    gateway            = "10.0.1.1"
    dhcp               = true
    dhcp_default_route = false
    dhcp_dns           = []
    # Not emptied: the provider leaves an empty list out of its PUT, which keeps what there was.
    dhcp_routes = ["172.31.0.0/16"]

    dhcp_routes_configuration = {
      effective_routes_auto_population = {
        enabled               = true
        exclude_by_source     = []
        filter_by_destination = []
        filter_by_route_type  = []
      }
    }
  }

  depends_on = [upcloud_network.other]
}

resource "upcloud_network" "off_the_grid" {
  name = "off the grid"
  zone = "de-fra1"

  ip_network {
    address            = "192.168.86.1/24"
    family             = "IPv4"
    dhcp               = false
    dhcp_default_route = false
  }
}
