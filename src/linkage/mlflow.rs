//! MLflow's registry webhooks (MLflow 3): a version that was created, an alias that was set or deleted.
//!
//! The body is `{entity, action, timestamp, data}`. It names no actor, no digest, and of an alias not what it stood on
//! before; who delivered it stands in the headers (`crate::linkage::webhook`).

use std::fmt;

use crate::event::text::{Name, Text};
use crate::linkage::json::Node;
use crate::linkage::payload::{Field, PayloadError, parse};
use crate::time::Timestamp;

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When it happened, as MLflow says.
    pub at: Timestamp,
    /// The registered model.
    pub model: Name,
    /// What happened to it.
    pub change: RegistryChange,
}

/// What happened in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryChange {
    /// `model_version.created`.
    VersionCreated {
        /// The version's number.
        version: Name,
        /// Where its files are, as MLflow names it.
        source: Option<Text>,
    },
    /// `model_version_alias.created`: also where the alias stood on another version before.
    AliasSet {
        /// The alias.
        alias: Name,
        /// The version that it stands on now.
        version: Name,
    },
    /// `model_version_alias.deleted`.
    AliasDeleted {
        /// The alias.
        alias: Name,
    },
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = &self.model;
        match &self.change {
            RegistryChange::VersionCreated { version, .. } => {
                write!(f, "version {version} of {model} was created in MLflow")
            }
            RegistryChange::AliasSet { alias, version } => {
                write!(f, "alias {alias} of {model} was set to version {version} in MLflow")
            }
            RegistryChange::AliasDeleted { alias } => {
                write!(f, "alias {alias} of {model} was deleted in MLflow")
            }
        }
    }
}

impl Delivery {
    /// Reads the body of a delivery.
    ///
    /// # Errors
    /// [`PayloadError`], naming the field.
    pub fn parse(json: &[u8]) -> Result<Self, PayloadError> {
        let node = parse(json)?;
        if !matches!(node, Node::Object(_)) {
            return Err(Field::root(&node).unfit("is not an object"));
        }
        let root = Field::root(&node);
        let (entity, action, data) = (root.get("entity"), root.get("action"), root.get("data"));
        let change = match (entity.text()?, action.text()?) {
            ("model_version", "created") => RegistryChange::VersionCreated {
                version: version(&data)?,
                source: data.get("source").maybe_read("where the version is kept")?,
            },
            ("model_version_alias", "created") => {
                RegistryChange::AliasSet { alias: alias(&data)?, version: version(&data)? }
            }
            ("model_version_alias", "deleted") => RegistryChange::AliasDeleted { alias: alias(&data)? },
            ("model_version", other) => return Err(action.unknown(other, &["created"])),
            ("model_version_alias", other) => return Err(action.unknown(other, &["created", "deleted"])),
            (other, _) => return Err(entity.unknown(other, &["model_version", "model_version_alias"])),
        };
        let model = data.get("name").read("a registered model's name")?;
        Ok(Self { at: root.get("timestamp").read("a time with its offset")?, model, change })
    }
}

fn version(data: &Field<'_>) -> Result<Name, PayloadError> {
    data.get("version").read("a version")
}

fn alias(data: &Field<'_>) -> Result<Name, PayloadError> {
    data.get("alias").read("an alias")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What MLflow 3.17 sends.
    fn body(entity: &str, action: &str, data: &str) -> String {
        format!(
            r#"{{"entity": "{entity}", "action": "{action}", "timestamp": "2026-03-01T10:00:00.123456+00:00", "data": {{{data}}}}}"#
        )
    }

    const CREATED: &str = r#""name": "scorer", "version": "3", "source": "models:/m-1", "run_id": null, "tags": {}, "description": null"#;
    const ALIAS: &str = r#""name": "scorer", "alias": "champion", "version": "3""#;

    fn told(json: &str) -> String {
        Delivery::parse(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn each_change_of_the_registry_is_read() {
        for (json, said) in [
            (body("model_version", "created", CREATED), "version 3 of scorer was created in MLflow"),
            (
                body("model_version_alias", "created", ALIAS),
                "alias champion of scorer was set to version 3 in MLflow",
            ),
            (body("model_version_alias", "deleted", ALIAS), "alias champion of scorer was deleted in MLflow"),
        ] {
            let delivery = Delivery::parse(json.as_bytes()).unwrap();
            assert_eq!(delivery.to_string(), said);
            assert_eq!(delivery.at.to_string(), "2026-03-01T10:00:00.123Z");
        }
        let created = Delivery::parse(body("model_version", "created", CREATED).as_bytes()).unwrap();
        let RegistryChange::VersionCreated { source, .. } = created.change else { panic!("a version") };
        assert_eq!(source.unwrap().as_str(), "models:/m-1");
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let alias = |data: &str| body("model_version_alias", "created", data);
        for (json, expected) in [
            ("[]".to_owned(), "the payload is not an object"),
            ("{}".to_owned(), "`entity` is missing: expected a text"),
            (r#"{"entity": "model_version"}"#.to_owned(), "`action` is missing: expected a text"),
            (
                body("registered_model", "created", CREATED),
                "`entity` is `registered_model`: expected model_version or model_version_alias",
            ),
            (body("model_version_tag", "set", ALIAS), "`entity` is `model_version_tag`: expected"),
            (body("model_version", "deleted", CREATED), "`action` is `deleted`: expected created"),
            (body("model_version_alias", "moved", ALIAS), "`action` is `moved`: expected created or deleted"),
            (
                alias(&ALIAS.replace("name", "n")),
                "`data.name` is missing: expected a registered model's name",
            ),
            (alias(&ALIAS.replace("alias", "a")), "`data.alias` is missing: expected an alias"),
            (alias(&ALIAS.replace("version", "v")), "`data.version` is missing: expected a version"),
            (alias(&ALIAS.replace(r#""3""#, "3")), "`data.version` is a number: expected a text"),
            (alias(&ALIAS.replace("scorer", "a\\u202eb")), "`data.name` is not a registered model's name: "),
            (alias(ALIAS).replace("timestamp", "time"), "`timestamp` is missing: expected a time"),
            (alias(ALIAS).replace("+00:00", ""), "`timestamp` is not a time with its offset: "),
            (alias(ALIAS).replace("\"data\"", "\"d\""), "`data.alias` is missing: expected an alias"),
        ] {
            assert!(told(&json).starts_with(expected), "{}: {expected}", told(&json));
        }
    }

    proptest! {
        #[test]
        fn no_body_with_a_part_overwritten_panics(which in 0_usize..3, at in any::<prop::sample::Index>(), piece in "\\PC{0,12}") {
            let (entity, data) = [("model_version", CREATED), ("model_version_alias", ALIAS), ("prompt", "")][which];
            let mut bytes = body(entity, "created", data).into_bytes();
            let at = at.index(bytes.len());
            bytes.splice(at..(at + piece.len()).min(bytes.len()), piece.bytes());
            let _ = Delivery::parse(&bytes);
        }
    }
}
