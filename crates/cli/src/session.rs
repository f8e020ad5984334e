//! A command under way: whom it calls, and where it says what came of it.

use serde::Serialize;
use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use crate::Shell;
use crate::access::Output;
use crate::client::Client;
use crate::exit::Failure;
use crate::noun::{self, Noun, Row};
use crate::plan::{self, Plan};
use crate::table;

pub(crate) struct Session<'a, 's> {
    pub(crate) client: Client,
    pub(crate) output: Output,
    pub(crate) shell: &'a mut Shell<'s>,
}

impl Session<'_, '_> {
    /// # Errors
    /// So for all below: the call failed, the output cannot be written.
    pub(crate) fn list<R: Row>(&mut self, query: &[(&str, String)]) -> Result<(), Failure> {
        self.list_some::<R>(query, |_| true)
    }

    pub(crate) fn list_some<R: Row>(
        &mut self,
        query: &[(&str, String)],
        wanted: fn(&Value) -> bool,
    ) -> Result<(), Failure> {
        let mut all = noun::list::<R>(&self.client, query)?;
        all.retain(wanted);
        match self.output {
            Output::Json => self.json(&all),
            Output::Table => {
                let rows = all.into_iter().map(|it| Ok(noun::read::<R>(it)?.cells()));
                let rows: Vec<_> = rows.collect::<Result<_, Failure>>()?;
                Ok(table::table(R::HEADS, &rows, self.shell.out)?)
            }
        }
    }

    pub(crate) fn show<N: Noun>(&mut self, it: Value) -> Result<(), Failure> {
        match self.output {
            Output::Json => self.json(&it),
            Output::Table => Ok(table::card(&noun::read::<N>(it)?.card(), self.shell.out)?),
        }
    }

    /// Makes one of `wish` and shows it, or says what that would do.
    pub(crate) fn create_or_plan<N: Noun>(
        &mut self,
        wish: Value,
        plan: &Plan,
    ) -> Result<(), Failure> {
        if plan.plan {
            let body = json!({ N::ENVELOPES[1]: wish });
            return plan::show(self, &Method::POST, N::PATH, Some(&body));
        }
        let made = self.create::<N>(wish)?;
        self.show::<N>(made)
    }

    /// Changes the one of that UUID by `change` and shows it, or says what
    /// that would do.
    pub(crate) fn change_or_plan<N: Noun>(
        &mut self,
        (method, uuid): (&Method, Uuid),
        change: &Value,
        plan: &Plan,
    ) -> Result<(), Failure> {
        let (envelope, path) = (N::ENVELOPES[1], noun::path::<N>(uuid));
        let body = json!({ envelope: change });
        if plan.plan {
            return plan::show(self, method, &path, Some(&body));
        }
        let answer = self.client.change(method, &path, &body)?;
        let it = self.client.within(answer, &[envelope])?;
        self.show::<N>(it)
    }

    /// Deletes each that is named, or says what that would do to one.
    pub(crate) fn delete_or_plan<N: Noun>(
        &mut self,
        names: &[String],
        plan: &Plan,
    ) -> Result<(), Failure> {
        match names {
            _ if !plan.plan => self.delete::<N>(names),
            [name] => {
                let path = noun::path::<N>(self.resolve::<N>(name)?);
                plan::show(self, &Method::DELETE, &path, None)
            }
            _ => Err(Failure::usage("--plan is of one deletion at a time")),
        }
    }

    /// Makes one of `wish`.
    pub(crate) fn create<N: Noun>(&mut self, wish: Value) -> Result<Value, Failure> {
        let envelope = N::ENVELOPES[1];
        let answer = self.client.post(N::PATH, &json!({ envelope: wish }))?;
        Ok(self.client.within(answer, &[envelope])?)
    }

    /// Deletes each that is named, until one cannot be.
    pub(crate) fn delete<N: Noun>(&mut self, names: &[String]) -> Result<(), Failure> {
        for name in names {
            let uuid = self.resolve::<N>(name)?.to_string();
            self.delete_at(N::NAME, N::PATH, &uuid)?;
        }
        Ok(())
    }

    /// Deletes what has this id in the collection at `path`.
    pub(crate) fn delete_at(&mut self, what: &str, path: &str, id: &str) -> Result<(), Failure> {
        self.client.delete(&format!("{path}/{}", segment(id)))?;
        if self.output == Output::Table {
            writeln!(self.shell.out, "deleted {what} {}", table::clean(id))?;
        }
        Ok(())
    }

    pub(crate) fn resolve<N: Noun>(&self, text: &str) -> Result<Uuid, Failure> {
        noun::resolve::<N>(&self.client, text)
    }

    pub(crate) fn json(&mut self, it: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(&mut *self.shell.out, it).map_err(std::io::Error::from)?;
        Ok(writeln!(self.shell.out)?)
    }
}

/// A name as a segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let text: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    // A form has + for a space, a path has not.
    text.replace('+', "%20")
}
