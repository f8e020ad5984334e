# Networks in two zones, peered from both sides, all at once.
terraform {
  required_providers {
    upcloud = { source = "UpCloudLtd/upcloud" }
  }
}

variable "pairs" {
  type    = number
  default = 1
}

variable "suffix" {
  type    = string
  default = ""
}

variable "there" {
  type    = string
  default = "active"
}

variable "labels" {
  type    = map(string)
  default = null
}

resource "upcloud_router" "local" {
  count = var.pairs
  name  = "local ${count.index}"
}

resource "upcloud_router" "peer" {
  count = var.pairs
  name  = "peer ${count.index}"
}

resource "upcloud_network" "local" {
  count  = var.pairs
  name   = "local ${count.index}"
  zone   = "fi-hel1"
  router = upcloud_router.local[count.index].id

  ip_network {
    address            = "10.1.${count.index}.0/24"
    family             = "IPv4"
    dhcp               = true
    dhcp_default_route = true
  }
}

resource "upcloud_network" "peer" {
  count  = var.pairs
  name   = "peer ${count.index}"
  zone   = "de-fra1"
  router = upcloud_router.peer[count.index].id

  ip_network {
    address            = "10.2.${count.index}.0/24"
    family             = "IPv4"
    dhcp               = true
    dhcp_default_route = true
  }
}

resource "upcloud_network_peering" "there" {
  count             = var.pairs
  name              = "there ${count.index}${var.suffix}"
  configured_status = var.there
  labels            = var.labels

  network {
    uuid = upcloud_network.local[count.index].id
  }

  peer_network {
    uuid = upcloud_network.peer[count.index].id
  }
}

resource "upcloud_network_peering" "back" {
  count  = var.pairs
  name   = "back ${count.index}${var.suffix}"
  labels = var.labels

  network {
    uuid = upcloud_network.peer[count.index].id
  }

  peer_network {
    uuid = upcloud_network.local[count.index].id
  }
}
