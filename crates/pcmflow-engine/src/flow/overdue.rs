//! Why a chunk that is due does not come through a link, as far as can be told while it does not.

use super::coordinator::{DataFlowCoordinator, LinkEntry};
use crate::metrics::Starved;
use crate::sync::Ordering;
use std::collections::BTreeSet;

impl DataFlowCoordinator {
    /// Tells the readers of links on which something is overdue what that means.
    pub(super) fn explain_overdue(&mut self, now_ns: u64) {
        let is_overdue =
            |link: &LinkEntry| link.reader.as_ref().is_some_and(|reader| reader.is_overdue(now_ns));
        if !self.links.values().any(is_overdue) {
            return;
        }
        let at_rest = self.links_at_rest();
        for (name, link) in self.links.iter_mut().filter(|(_, link)| is_overdue(link)) {
            let cause = Starved::cause(link.cell.fill().0 > 0);
            if let Some(reader) = &mut link.reader {
                reader.starves_by(Some(cause).filter(|_| !at_rest.contains(name)));
            }
        }
    }

    /// The pipelines through which nothing comes on purpose: what is shut, and whatever is behind that or behind a source that rests.
    fn links_at_rest(&self) -> BTreeSet<String> {
        let rests = self.nodes.iter().filter(|(_, node)| node.cell.rests.load(Ordering::Relaxed));
        let mut nodes: BTreeSet<&str> = rests.map(|(name, _)| name.as_str()).collect();
        let mut links = BTreeSet::new();
        loop {
            let before = links.len();
            for (name, edge) in &self.graph.edges {
                let (from, to, config) = (edge.config.from.as_str(), edge.config.to.as_str(), &edge.config);
                let is_shut = self.links.get(name).is_some_and(|link| link.shut);
                if !(is_shut || nodes.contains(from)) {
                    continue;
                }
                links.insert(name.clone());
                // Who only follows is not waited for.
                let own_clocks = self.graph.nodes.get(to).is_some_and(|ports| ports.own_clocks);
                if config.input == 0 || !own_clocks {
                    nodes.insert(to);
                }
            }
            if links.len() == before {
                return links;
            }
        }
    }
}
