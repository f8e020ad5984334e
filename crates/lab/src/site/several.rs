//! A site with several servers on one PostgreSQL database.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Cabling, Host, Medium, Server, Site};
use crate::api::Client;

impl Site {
    /// As [`Site::open`], with a server for each of `databases`, which all lead to the same one.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn open_several(
        name: &str,
        (count, cabling): (usize, Cabling),
        databases: &[String],
        more: &[&str],
    ) -> Result<Self> {
        let flags = |database: &String| {
            let own = ["--database".to_owned(), database.clone()];
            own.into_iter().chain(more.iter().map(|flag| (*flag).to_owned())).collect::<Vec<_>>()
        };
        let (first, rest) = databases.split_first().context("no database")?;
        let start = |folder: &_| Server::start_as(folder, "", &flags(first));
        let mut site = Self::open_with(Medium::Memory, name, (count, cabling), start)?;
        for (n, database) in (2..).zip(rest) {
            let server = Server::start_as(&site.folder, &format!("-{n}"), &flags(database))?;
            site.others.push(server);
        }
        Ok(site)
    }

    /// All of them, the first one first.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        std::iter::once(&self.server).chain(&self.others)
    }

    /// # Errors
    /// There is none at that place.
    pub fn server_mut(&mut self, index: usize) -> Result<&mut Server> {
        let mut all = std::iter::once(&mut self.server).chain(&mut self.others);
        all.nth(index).with_context(|| format!("no server {index}"))
    }

    /// The administrator's client of each.
    #[must_use]
    pub fn admins(&self) -> Vec<Client> {
        self.servers().map(|server| self.admin.at(server.api)).collect()
    }

    /// As [`Site::add_host`]; its agent knows only the servers at these places.
    ///
    /// # Errors
    /// As [`Site::add_host`].
    pub fn add_host_at(&mut self, name: &str, zone: &str, servers: &[usize]) -> Result<()> {
        let token = self.admin.make_token(zone)?;
        let mut host = Host::new(self, self.hosts.len(), (name, zone))?;
        host.knows = servers.to_vec();
        self.hosts.entry(name.to_owned()).or_insert(host).join(&token)
    }

    /// The host as the server at that place has it.
    ///
    /// # Errors
    /// It does not know of it.
    pub fn host_at(&self, server: usize, name: &str) -> Result<Value> {
        let admins = self.admins();
        let admin = admins.get(server).with_context(|| format!("no server {server}"))?;
        let mut hosts = admin.get("/kannas/v1/hosts")?["hosts"]["host"].take();
        let hosts = hosts.as_array_mut().context("no list")?;
        let host = hosts.iter().find(|host| host["name"] == name).cloned();
        host.with_context(|| format!("no host {name}"))
    }

    /// No host has lost its lease in all the time that the servers' logs tell of.
    ///
    /// # Errors
    /// One has.
    pub fn nothing_was_lost(&self) -> Result<()> {
        for server in self.servers() {
            let log = server.log()?;
            ensure!(!log.contains("a host is lost"), "{log}");
        }
        Ok(())
    }
}
