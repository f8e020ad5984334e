# One network, and which of two routers it is on, if any.
terraform {
  required_providers {
    upcloud = { source = "UpCloudLtd/upcloud" }
  }
}

variable "routers" {
  type = set(string)
}

variable "on" {
  type    = string
  default = ""
}

resource "upcloud_router" "any" {
  for_each = var.routers
  name     = each.key
}

resource "upcloud_network" "lan" {
  name   = "lan"
  zone   = "fi-hel1"
  router = var.on == "" ? null : upcloud_router.any[var.on].id

  ip_network {
    address = "10.0.1.0/24"
    family  = "IPv4"
    dhcp    = true
  }
}
