//! workflow: a saved graph. Its document and its counters have rows of their own, so that lists
//! read neither a megabyte of definition nor are changed by every execution.
//!
//! Counters change in the commit that ends an execution, without a new revision: two editors are
//! not in each other's way because the workflow runs.

use a2n_proto::workflow::{Visibility, Workflow};
use a2n_proto::{Json, UserId, WorkflowId};

use super::keys::{Key, KeyRange, last_id};
use super::rows::{self, Page, Paging, Stored, Unique};
use super::schema::{
    self, Table, WORKFLOW, WORKFLOW_BY_CATEGORY, WORKFLOW_BY_NAME, WORKFLOW_BY_PLAIN_NAME,
    WORKFLOW_BY_TAG, WORKFLOW_BY_USER, WORKFLOW_BY_VISIBILITY, WORKFLOW_COUNTERS,
    WORKFLOW_DEFINITION,
};
use super::tally::Counters;
use super::{Error, Read, Tx, execution, tombstone, user};

impl Stored for Workflow {
    const TABLE: Table = WORKFLOW;
    const ENTITY: &'static str = "workflow";
}

/// Which workflows a list wants.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of one owner.
    pub user: Option<UserId>,
    /// With exactly this name.
    pub name: Option<String>,
    /// With all these words in name or description, whatever the case.
    pub text: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Of this category.
    pub category: Option<String>,
    /// Seen so.
    pub visibility: Option<Visibility>,
    /// Armed or not.
    pub is_active: Option<bool>,
    /// Archived ones too.
    pub archived: bool,
}

fn key(id: WorkflowId) -> Key {
    Key::of_id(id.as_bytes())
}

/// The workflow with its document and its counters.
pub fn get(read: &impl Read, id: WorkflowId) -> Result<Option<Workflow>, Error> {
    let Some(mut workflow) = head(read, id)? else { return Ok(None) };
    workflow.definition =
        rows::get_as(read, WORKFLOW_DEFINITION, key(id).as_bytes())?.unwrap_or_default();
    Ok(Some(workflow))
}

/// The same, or *not found*.
pub fn require(read: &impl Read, id: WorkflowId) -> Result<Workflow, Error> {
    get(read, id)?.ok_or_else(|| Error::NotFound { entity: "workflow", id: id.to_string() })
}

/// The workflow with its counters, without its document.
pub fn head(read: &impl Read, id: WorkflowId) -> Result<Option<Workflow>, Error> {
    let Some(mut workflow) = rows::get::<Workflow>(read, key(id).as_bytes())? else {
        return Ok(None);
    };
    count_in(read, &mut workflow)?;
    Ok(Some(workflow))
}

/// The workflow of an owner with this name.
pub fn find_by_name(
    read: &impl Read,
    user: UserId,
    name: &str,
) -> Result<Option<WorkflowId>, Error> {
    let found = rows::unique_id(read, WORKFLOW_BY_NAME, &name_key(user, name))?;
    Ok(found.map(WorkflowId::from_bytes))
}

/// All owners' workflows with this name, without their documents.
pub fn find_named(read: &impl Read, name: &str) -> Result<Vec<Workflow>, Error> {
    let query = Query { name: Some(name.to_owned()), archived: true, ..Query::default() };
    list(read, &query, &Paging::first(1000)).map(|page| page.items)
}

/// Workflows that fit, without their documents, newest first unless asked otherwise.
pub fn list(read: &impl Read, query: &Query, paging: &Paging) -> Result<Page<Workflow>, Error> {
    list_where(read, query, paging, &mut |_| Ok(true))
}

/// The same, without those that `sees` leaves out.
pub(crate) fn list_where(
    read: &impl Read,
    query: &Query,
    paging: &Paging,
    sees: &mut dyn FnMut(&Workflow) -> Result<bool, Error>,
) -> Result<Page<Workflow>, Error> {
    let words: Vec<String> =
        query.text.iter().flat_map(|text| text.split_whitespace().map(str::to_lowercase)).collect();
    let (table, range) = index_for(query);
    rows::page(read, table, range, paging, &mut |key, _| {
        let id = last_id(key).ok_or_else(|| read.damaged(table, key))?;
        let Some(mut workflow) = rows::get::<Workflow>(read, &id)? else {
            return Err(read.damaged(table, key));
        };
        if !fits(&workflow, query, &words) || !sees(&workflow)? {
            return Ok(None);
        }
        count_in(read, &mut workflow)?;
        Ok(Some(workflow))
    })
}

/// The index that leaves the fewest rows to look at.
fn index_for(query: &Query) -> (Table, KeyRange) {
    let text = |text: &str| Key::new().text(text).under();
    match query {
        Query { name: Some(name), .. } => (WORKFLOW_BY_PLAIN_NAME, text(name)),
        Query { tag: Some(tag), .. } => (WORKFLOW_BY_TAG, text(tag)),
        Query { category: Some(category), .. } => (WORKFLOW_BY_CATEGORY, text(category)),
        Query { user: Some(user), .. } => (WORKFLOW_BY_USER, Key::of_id(user.as_bytes()).under()),
        Query { visibility: Some(visibility), .. } => {
            (WORKFLOW_BY_VISIBILITY, Key::new().u8(*visibility as u8).under())
        }
        _ => (WORKFLOW, KeyRange::all()),
    }
}

fn fits(workflow: &Workflow, query: &Query, words: &[String]) -> bool {
    let found = |word: &String| {
        workflow.name.to_lowercase().contains(word.as_str())
            || workflow
                .description
                .as_ref()
                .is_some_and(|d| d.to_lowercase().contains(word.as_str()))
    };
    query.user.is_none_or(|user| workflow.user_id == user)
        && query.name.as_ref().is_none_or(|name| workflow.name == *name)
        && query.tag.as_ref().is_none_or(|tag| workflow.tags.contains(tag))
        && query.category.as_ref().is_none_or(|c| workflow.category.as_ref() == Some(c))
        && query.visibility.is_none_or(|visibility| workflow.visibility == visibility)
        && query.is_active.is_none_or(|is_active| workflow.is_active == is_active)
        && (query.archived || workflow.archived_at.is_none())
        && words.iter().all(found)
}

/// Writes a workflow with its indexes. Counters are left as they are; a `null` document too.
pub fn put(tx: &mut Tx<'_>, workflow: &Workflow) -> Result<(), Error> {
    user::check(tx, workflow.user_id, "workflow", "userId")?;
    let id = workflow.id;
    let old: Option<Workflow> = rows::get(tx, key(id).as_bytes())?;
    rows::move_unique(
        tx,
        &Unique {
            table: WORKFLOW_BY_NAME,
            entity: "workflow",
            field: "name",
            value: &workflow.name,
        },
        old.as_ref().map(by_name),
        Some(by_name(workflow)),
        id.as_bytes(),
    )?;
    let before = old.as_ref().map(marks).unwrap_or_default();
    let after = marks(workflow);
    for (table, key) in before.iter().filter(|mark| !after.contains(mark)) {
        rows::remove(tx, *table, key)?;
    }
    for (table, key) in after.iter().filter(|mark| !before.contains(mark)) {
        rows::mark(tx, *table, key)?;
    }
    if !workflow.definition.is_null() {
        let stored: Option<Json> = rows::get_as(tx, WORKFLOW_DEFINITION, key(id).as_bytes())?;
        if stored.as_ref() != Some(&workflow.definition) {
            rows::put_as(tx, WORKFLOW_DEFINITION, &key(id), &workflow.definition)?;
        }
    }
    if old.is_none() {
        user::count(tx, workflow.user_id, 1, 0)?;
    }
    rows::put(tx, &key(id), &bare(workflow))
}

/// Hides a workflow at once; what belongs to it goes in slices (see `tombstone`). Refused while
/// executions are unfinished, unless `force`.
pub fn remove(tx: &mut Tx<'_>, id: WorkflowId, force: bool) -> Result<(), Error> {
    let old: Workflow = rows::require(tx, key(id).as_bytes(), &id)?;
    if !force {
        let unfinished = execution::unfinished_of(tx, id, 100)?;
        if !unfinished.is_empty() {
            return Err(Error::Precondition {
                message: format!(
                    "workflow {} has {}{} unfinished executions",
                    old.name,
                    unfinished.len(),
                    if unfinished.len() == 100 { " or more" } else { "" }
                ),
                hint: Some("cancel them or wait, or delete with force".into()),
            });
        }
    }
    rows::remove(tx, WORKFLOW_BY_NAME, &by_name(&old))?;
    for (table, key) in marks(&old) {
        rows::remove(tx, table, &key)?;
    }
    rows::remove(tx, WORKFLOW_DEFINITION, &key(id))?;
    rows::remove(tx, WORKFLOW_COUNTERS, &key(id))?;
    rows::remove(tx, WORKFLOW, &key(id))?;
    tombstone::put(tx, tombstone::Kind::Workflow, id.as_bytes())
}

/// A reference to a workflow: *dangling* where there is none.
pub(crate) fn check(read: &impl Read, id: WorkflowId, entity: &'static str) -> Result<(), Error> {
    if rows::has(read, WORKFLOW, key(id).as_bytes())? {
        return Ok(());
    }
    Err(Error::Dangling { entity, field: "workflowId", id: id.to_string() })
}

/// The row as it is stored: without what has rows of its own.
fn bare(workflow: &Workflow) -> Workflow {
    Workflow {
        definition: Json::null(),
        execution_count: 0,
        success_count: 0,
        failure_count: 0,
        last_executed_at: None,
        avg_execution_time: None,
        ..workflow.clone()
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of all runs are below 2^53")]
fn count_in(read: &impl Read, workflow: &mut Workflow) -> Result<(), Error> {
    let counters: Counters = match rows::get(read, key(workflow.id).as_bytes()) {
        Ok(counters) => counters.unwrap_or_default(),
        Err(Error::Damaged { .. }) => Counters::default(),
        Err(e) => return Err(e),
    };
    workflow.execution_count = counters.executions;
    workflow.success_count = counters.successes;
    workflow.failure_count = counters.failures;
    workflow.last_executed_at = counters.last_at;
    workflow.avg_execution_time =
        (counters.executions > 0).then(|| counters.total_ms as f64 / counters.executions as f64);
    Ok(())
}

fn name_key(user: UserId, name: &str) -> Key {
    Key::of_id(user.as_bytes()).text(name)
}

pub(crate) fn by_name(workflow: &Workflow) -> Key {
    name_key(workflow.user_id, &workflow.name)
}

/// The entries of the indexes that only point back.
pub(crate) fn marks(workflow: &Workflow) -> Vec<(Table, Key)> {
    let id = workflow.id.as_bytes();
    let mut marks = vec![
        (schema::WORKFLOW_BY_PLAIN_NAME, Key::new().text(&workflow.name).id(id)),
        (WORKFLOW_BY_USER, Key::of_id(workflow.user_id.as_bytes()).id(id)),
        (WORKFLOW_BY_VISIBILITY, Key::new().u8(workflow.visibility as u8).id(id)),
    ];
    if let Some(category) = &workflow.category {
        marks.push((WORKFLOW_BY_CATEGORY, Key::new().text(category).id(id)));
    }
    let tags: std::collections::BTreeSet<&String> = workflow.tags.iter().collect();
    marks.extend(tags.into_iter().map(|tag| (WORKFLOW_BY_TAG, Key::new().text(tag).id(id))));
    marks
}
