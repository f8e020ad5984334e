# One side of a peering; the other is not Terraform's.
terraform {
  required_providers {
    upcloud = { source = "UpCloudLtd/upcloud" }
  }
}

variable "peer" {
  type = string
}

variable "address" {
  type    = string
  default = "10.1.0.0/24"
}

variable "status" {
  type    = string
  default = "active"
}

variable "routed" {
  type    = bool
  default = true
}

resource "upcloud_router" "local" {
  name = "local"
}

resource "upcloud_network" "local" {
  name   = "local"
  zone   = "fi-hel1"
  router = var.routed ? upcloud_router.local.id : null

  ip_network {
    address = var.address
    family  = "IPv4"
    dhcp    = true
  }
}

resource "upcloud_network_peering" "it" {
  name              = "half"
  configured_status = var.status

  network {
    uuid = upcloud_network.local.id
  }

  peer_network {
    uuid = var.peer
  }
}
