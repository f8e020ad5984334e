# Every option that a network and a router have.
terraform {
  required_providers {
    upcloud = { source = "UpCloudLtd/upcloud" }
  }
}

resource "upcloud_router" "hub" {
  name   = "hub"
  labels = { env = "test", empty = "" }

  static_route {
    name    = "through the firewall"
    route   = "192.168.0.0/24"
    nexthop = "10.0.1.254"
  }

  static_route {
    route   = "192.168.1.0/24"
    nexthop = "no-nexthop"
  }
}

resource "upcloud_network" "other" {
  name   = "other"
  zone   = "fi-hel1"
  router = upcloud_router.hub.id

  ip_network {
    address = "10.0.2.0/24"
    family  = "IPv4"
    dhcp    = false
  }
}

resource "upcloud_network" "lan" {
  name   = "lan"
  zone   = "fi-hel1"
  router = upcloud_router.hub.id
  labels = { env = "test", "a b" = "c=d", empty = "" }

  ip_network {
    address            = "10.0.1.0/24"
    family             = "IPv4"
    gateway            = "10.0.1.1"
    dhcp               = true
    dhcp_default_route = true
    dhcp_dns           = ["1.1.1.1", "10.0.1.3"]
    dhcp_routes        = ["172.16.0.0/12", "172.20.0.0/16-nexthop=10.0.1.9"]

    dhcp_routes_configuration = {
      effective_routes_auto_population = {
        enabled               = true
        exclude_by_source     = ["router-connected-networks"]
        filter_by_destination = ["192.168.0.0/24"]
        filter_by_route_type  = ["user"]
      }
    }
  }

  # Effective routes hold those of the router's other networks, and so need them first.
  depends_on = [upcloud_network.other]
}

# As it was written, host bits and all.
resource "upcloud_network" "off_the_grid" {
  name = "off the grid"
  zone = "de-fra1"

  ip_network {
    address            = "192.168.86.1/24"
    family             = "IPv4"
    dhcp               = true
    dhcp_default_route = false
  }
}
