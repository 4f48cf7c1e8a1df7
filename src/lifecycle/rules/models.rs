//! Rules of model versions: registered, retired.

use std::sync::Arc;

use crate::event::authority::Role;
use crate::event::model::{ModelRegistered, ModelRetired};
use crate::event::text::Name;
use crate::hash::Hash;
use crate::lifecycle::authority::Place;
use crate::lifecycle::policy::Act;
use crate::lifecycle::refusal::Refusal;
use crate::lifecycle::state::{ModelRow, Row, RowKey, RowSource, VersionRow};

use super::{Judge, Outcome, Rows, check_infra, refuse};

impl<S: RowSource> Judge<'_, S> {
    pub(super) fn register(&mut self, body: &ModelRegistered) -> Outcome<Rows, S> {
        let ModelRegistered { model, version, .. } = body;
        let place = Place { model: Some(model), environment: None };
        self.signed_for(Act::Register, &[Role::Registrar], place)?;
        if let Some(row) = self.state.version(model, version)? {
            let (model, version, entry) = (model.clone(), version.clone(), row.entry);
            return refuse(Refusal::VersionExists { model, version, entry });
        }
        check_infra(body.source.as_ref())?;
        let index = self.act.index;
        let row = VersionRow { entry: index, digest: body.digest.root, retired: None };
        let key = RowKey::Version(model.clone(), version.clone());
        let mut rows = vec![(key, Some(Row::Version(Arc::new(row))))];
        if self.state.model(model)?.is_none() {
            let row = ModelRow { first_entry: index };
            rows.push((RowKey::Model(model.clone()), Some(Row::Model(Arc::new(row)))));
        }
        Ok(rows)
    }

    pub(super) fn retire(&mut self, body: &ModelRetired) -> Outcome<Rows, S> {
        let ModelRetired { model, version, .. } = body;
        let place = Place { model: Some(model), environment: None };
        self.signed_for(Act::Retire, &[Role::Registrar], place)?;
        let row = self.live_version(model, version)?;
        let row = VersionRow { retired: Some(self.act.index), ..(*row).clone() };
        Ok(vec![(RowKey::Version(model.clone(), version.clone()), Some(Row::Version(Arc::new(row))))])
    }

    /// The version, registered and not retired.
    fn live_version(&mut self, model: &Name, version: &Name) -> Outcome<Arc<VersionRow>, S> {
        let Some(row) = self.state.version(model, version)? else {
            if self.state.model(model)?.is_none() {
                return refuse(Refusal::ModelUnknown { model: model.clone() });
            }
            return refuse(Refusal::VersionUnknown { model: model.clone(), version: version.clone() });
        };
        if let Some(entry) = row.retired {
            let (model, version) = (model.clone(), version.clone());
            return refuse(Refusal::VersionRetired { model, version, entry });
        }
        Ok(row)
    }

    /// The version with the digest that the event says it has.
    pub(super) fn version_of_digest(&mut self, model: &Name, version: &Name, actual: Hash) -> Outcome<(), S> {
        let registered = self.live_version(model, version)?.digest;
        if registered != actual {
            let (model, version) = (model.clone(), version.clone());
            return refuse(Refusal::DigestMismatch { model, version, registered, actual });
        }
        Ok(())
    }
}
