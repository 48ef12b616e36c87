//! `workflow.apply`: documents are made so, all of them or none. What is there already stays.

use a2n_proto::api::workflow::{Applied, ApplyAction};
use a2n_proto::{Json, Problem, Severity, UserId};

use super::saving::{Edit, NewWorkflow, create_in, save_in};
use super::{Checked, Error, Workflows};
use crate::engine::plan::Unsupported;
use crate::store::{Origin, Tx, workflow};

/// What is to be so.
#[derive(Debug, Clone)]
pub struct Apply {
    /// The documents.
    pub documents: Vec<Json>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Save drafts instead of publishing.
    pub draft: bool,
    /// Kept with the versions.
    pub change_log: Option<String>,
    /// Whose workflows these are.
    pub user: UserId,
}

impl Workflows {
    /// Applies documents in one transaction, or says what that would do.
    pub async fn apply(
        &self,
        apply: Apply,
        origin: Origin,
        within: impl FnOnce(&mut Tx<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Result<Vec<Applied>, Error> {
        let checked = self.check_all(&apply)?;
        let this = self.clone();
        if apply.dry_run {
            return this.look(&apply, &checked);
        }
        self.store
            .write_as(origin, move |tx| {
                let mut results = Vec::with_capacity(checked.len());
                for checked in &checked {
                    results.push(this.apply_one(tx, &apply, checked)?);
                }
                within(tx)?;
                Ok(results)
            })
            .await
    }

    /// Checks every document; the problems of several are told together.
    fn check_all(&self, apply: &Apply) -> Result<Vec<Checked>, Error> {
        let mut all = Vec::new();
        let named: Vec<Option<String>> = apply.documents.iter().map(name).collect();
        let mut problems: Vec<Problem> = taken_names(&named);
        let mut unsupported = None;
        let read = self.store.read()?;
        let names: Vec<String> = named.into_iter().flatten().collect();
        let several = apply.documents.len() > 1;
        for (index, definition) in apply.documents.iter().enumerate() {
            let checked = self.check(&read, definition, apply.user, &names).and_then(|checked| {
                if !apply.draft {
                    self.check_runnable(&checked)?;
                }
                Ok(checked)
            });
            let place = |path: String| if several { within(index, &path) } else { path };
            match checked {
                Ok(checked) => all.push(checked),
                Err(Error::Invalid(found)) => problems
                    .extend(found.into_iter().map(|one| Problem { path: place(one.path), ..one })),
                // What is wrong with the others is to be told first.
                Err(Error::Unsupported(what)) => {
                    let path = place(what.path);
                    unsupported.get_or_insert(Unsupported { path, ..what });
                }
                Err(other) => return Err(other),
            }
        }
        match (problems.is_empty(), unsupported) {
            (false, _) => Err(Error::Invalid(problems)),
            (true, Some(what)) => Err(Error::Unsupported(what)),
            (true, None) => Ok(all),
        }
    }

    fn look(&self, apply: &Apply, checked: &[Checked]) -> Result<Vec<Applied>, Error> {
        let snapshot = self.store.read()?;
        let mut results = Vec::with_capacity(checked.len());
        for checked in checked {
            let id = workflow::find_by_name(&snapshot, apply.user, &checked.document.name)?;
            let old = id.map(|id| workflow::require(&snapshot, id)).transpose()?;
            results.push(match old {
                None => Applied {
                    name: checked.document.name.clone(),
                    id: None,
                    action: ApplyAction::Created,
                    version: 1,
                    published_version: (!apply.draft).then_some(1),
                    warnings: checked.warnings.clone(),
                },
                Some(old) => {
                    let same = old.definition == checked.definition;
                    let unpublished = !apply.draft && old.published_version != Some(old.version);
                    let version = if same { old.version } else { old.version + 1 };
                    Applied {
                        name: old.name,
                        id: Some(old.id),
                        action: if same && !unpublished {
                            ApplyAction::Unchanged
                        } else {
                            ApplyAction::Updated
                        },
                        version,
                        published_version: if apply.draft {
                            old.published_version
                        } else {
                            Some(version)
                        },
                        warnings: checked.warnings.clone(),
                    }
                }
            });
        }
        Ok(results)
    }

    fn apply_one(
        &self,
        tx: &mut Tx<'_>,
        apply: &Apply,
        checked: &Checked,
    ) -> Result<Applied, Error> {
        let id = workflow::find_by_name(tx, apply.user, &checked.document.name)?;
        let (saved, action) = match id {
            None => {
                let new = NewWorkflow {
                    definition: checked.definition.clone(),
                    user: apply.user,
                    publish: !apply.draft,
                    is_active: true,
                    is_template: false,
                    change_log: apply.change_log.clone(),
                };
                (create_in(tx, &self.system, &new, checked)?, ApplyAction::Created)
            }
            Some(id) => {
                let old = workflow::require(tx, id)?;
                let edit = Edit {
                    id,
                    patch: Json::object(),
                    if_revision: None,
                    publish: !apply.draft,
                    change_log: apply.change_log.clone(),
                    user: apply.user,
                };
                let saved = save_in(tx, &self.system, &old, old.clone(), checked, &edit)?;
                let same = saved.revision == old.revision;
                (saved, if same { ApplyAction::Unchanged } else { ApplyAction::Updated })
            }
        };
        Ok(Applied {
            name: saved.name,
            id: Some(saved.id),
            action,
            version: saved.version,
            published_version: saved.published_version,
            warnings: checked.warnings.clone(),
        })
    }
}

fn name(definition: &Json) -> Option<String> {
    definition.to_value()["name"].as_str().map(str::to_owned)
}

/// A path in one of several documents.
fn within(index: usize, path: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("documents[{index}]{dot}{path}")
}

/// Documents that share a name: in one commit the later would take the earlier's place.
fn taken_names(names: &[Option<String>]) -> Vec<Problem> {
    let mut first = std::collections::HashMap::new();
    let mut problems = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let Some(name) = name else { continue };
        let earlier = *first.entry(name).or_insert(index);
        if earlier != index {
            problems.push(Problem {
                path: within(index, "name"),
                code: "DUPLICATE_NAME".into(),
                severity: Severity::Error,
                message: format!("documents[{earlier}] is named `{name}` too"),
                hint: Some("give each a name of its own".into()),
            });
        }
    }
    problems
}
