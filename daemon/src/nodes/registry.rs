//! All node definitions, found by `name` or `name@version`.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::nodes::NodeDefinition;

use super::definition::Definition;
use super::{data, files, flow, network, process};
use crate::engine::kind::{Kind, Kinds};

/// All node definitions.
#[derive(Debug)]
pub struct Registry {
    /// By name; the versions of each from old to new.
    by_name: BTreeMap<&'static str, Vec<Arc<Definition>>>,
}

impl Registry {
    /// Those that come with the daemon.
    pub fn built_in() -> Self {
        Self::of([
            process::shell::definition(),
            network::http::definition(),
            files::file::definition(),
            data::set::definition(),
            data::filter::definition(),
            data::split::definition(),
            data::aggregate::definition(),
            data::sort::definition(),
            data::limit::definition(),
            data::dedupe::definition(),
            flow::choose::definition(),
            flow::switch::definition(),
            flow::merge::definition(),
            flow::wait::definition(),
            flow::noop::definition(),
            flow::stop::definition(),
            flow::each_loop::definition(),
            flow::break_loop::definition(),
            flow::watch::definition(),
            flow::state::definition(),
            flow::approval::definition(),
            flow::emit::definition(),
            flow::workflow::definition(),
            flow::lock::mutex(),
            flow::lock::semaphore(),
            flow::pace::throttle(),
            flow::pace::debounce(),
        ])
    }
    /// These.
    pub fn of(definitions: impl IntoIterator<Item = Definition>) -> Self {
        let mut by_name = BTreeMap::<_, Vec<_>>::new();
        for definition in definitions {
            by_name.entry(definition.name).or_default().push(Arc::new(definition));
        }
        for versions in by_name.values_mut() {
            versions.sort_by_key(|definition| semantic(definition.version));
        }
        Self { by_name }
    }
    /// The definition that `name` or `name@version` means; without a version the newest.
    pub fn definition(&self, reference: &str) -> Option<&Arc<Definition>> {
        match reference.split_once('@') {
            None => self.by_name.get(reference)?.last(),
            Some((name, version)) => {
                self.by_name.get(name)?.iter().find(|found| found.version == version)
            }
        }
    }
    /// As the catalogue shows them, by name.
    pub fn definitions(&self) -> Vec<NodeDefinition> {
        self.all().map(|definition| definition.entity()).collect()
    }
    /// Each, by name and from old to new.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.by_name.values().flatten()
    }
}

impl Kinds for Registry {
    fn find(&self, reference: &str) -> Option<Arc<dyn Kind>> {
        self.definition(reference).map(|found| Arc::clone(found) as Arc<dyn Kind>)
    }
    fn names(&self) -> Vec<String> {
        self.by_name.keys().map(|&name| name.to_owned()).collect()
    }
}

fn semantic(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
