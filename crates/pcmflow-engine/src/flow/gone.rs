//! What was taken out of a flow: the latest by name, everything else added up, so that a flow may be changed for ever.

use super::books::{FlowBooks, FoldedBooks, LinkBooks};
use super::cell::NodeCell;
use super::link::LinkCell;
use crate::sync::Arc;
use std::collections::VecDeque;
use std::sync::PoisonError;

/// So many that are over are kept by name.
const KEPT: usize = 64;

/// Nodes and pipelines that were removed, each with its number, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Gone {
    nodes: VecDeque<(u64, String, Arc<NodeCell>)>,
    links: VecDeque<(u64, String, Arc<LinkCell>)>,
    /// As many ever were.
    counts: (u64, u64),
    folded: FoldedBooks,
}

impl Gone {
    pub(super) fn node(&mut self, name: &str, cell: Arc<NodeCell>) {
        let folded = &mut self.folded;
        add(&mut self.nodes, &mut self.counts.0, name, cell, |cell| {
            let books = cell.books();
            let closed = books.given.is_some();
            if closed {
                folded.node(&books);
            }
            closed
        });
    }

    pub(super) fn link(&mut self, name: &str, cell: Arc<LinkCell>) {
        let folded = &mut self.folded;
        add(&mut self.links, &mut self.counts.1, name, cell, |cell| {
            let books = link_books(cell);
            let closed = books.are_closed();
            if closed {
                folded.pipeline(&books);
            }
            closed
        });
    }

    /// Whether the task of every node that was removed is over.
    pub(super) fn are_over(&self) -> bool {
        self.nodes.iter().all(|(_, _, cell)| cell.books().given.is_some())
    }

    pub(super) fn tell(&self, books: &mut FlowBooks) {
        let named = |name: &String, number: &u64| format!("{name}#{number}");
        let nodes = self.nodes.iter().map(|(number, name, cell)| (named(name, number), cell.books()));
        books.nodes.extend(nodes);
        let removed = |cell| LinkBooks { removed: true, ..link_books(cell) };
        let links = self.links.iter().map(|(number, name, cell)| (named(name, number), removed(cell)));
        books.pipelines.extend(links);
        books.folded = self.folded;
    }
}

pub(super) fn link_books(cell: &LinkCell) -> LinkBooks {
    cell.books.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Adds one; where there are more than are kept, the oldest go that `fold` takes, which are those that are over.
fn add<T>(
    gone: &mut VecDeque<(u64, String, Arc<T>)>,
    count: &mut u64,
    name: &str,
    cell: Arc<T>,
    mut fold: impl FnMut(&T) -> bool,
) {
    gone.push_back((*count, name.to_owned(), cell));
    *count += 1;
    let mut excess = gone.len().saturating_sub(KEPT);
    gone.retain(|(_, _, cell)| {
        let goes = excess > 0 && fold(cell);
        excess -= usize::from(goes);
        !goes
    });
}
