use std::sync::{Arc, Mutex, PoisonError, Weak};

use lab::Cluster;

use super::*;
use crate::conformance::{Database, conformance};

/// One for all tests that run at once.
fn cluster() -> Arc<Cluster> {
    static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut known = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    known.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::start().unwrap());
        *known = Arc::downgrade(&cluster);
        cluster
    })
}

struct Own {
    cluster: Arc<Cluster>,
    url: Url,
}

impl Own {
    fn sql(&self, sql: &str) -> String {
        self.cluster.sql(self.url.config.get_dbname().unwrap(), sql).unwrap()
    }
}

impl Database for Own {
    type Engine = Postgres;

    fn new() -> Self {
        let cluster = cluster();
        let url = cluster.database().unwrap().parse().unwrap();
        Self { cluster, url }
    }

    fn open(&self) -> Result<Postgres, Error> {
        Postgres::open(&self.url)
    }

    fn execute(&self, sql: &str) {
        self.sql(sql);
    }

    fn rows(&self) -> Vec<String> {
        let rows = |sql: &str| self.sql(sql).lines().map(str::to_owned).collect::<Vec<_>>();
        let mut all = rows("SELECT * FROM revision");
        all.extend(rows("SELECT * FROM object ORDER BY kind, id"));
        all.extend(rows("SELECT * FROM news ORDER BY last"));
        all.extend(rows("SELECT * FROM log ORDER BY revision"));
        all
    }

    fn become_newer(&self) {
        self.execute("UPDATE version SET n = n + 1");
    }

    fn unguard(&self) {
        self.execute(
            "ALTER TABLE object DROP CONSTRAINT object_pkey;
            ALTER TABLE log DISABLE TRIGGER USER",
        );
    }
}

conformance!(Own);

#[path = "several_tests.rs"]
mod several;

#[path = "fault_tests.rs"]
mod faults;
