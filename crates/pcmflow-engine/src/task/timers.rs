//! When tasks are due: a tournament of times, so that the next is known at once and nothing stale is kept.

/// One time for each of so many small numbers, `u64::MAX` for never.
///
/// A complete binary tree: the leaves are the times, and each node above is the earlier of its two. Setting a time costs a step a
/// level, 12 for 4096 numbers, and no memory.
#[derive(Debug)]
pub(super) struct Timers {
    /// The root at 1, the children of `n` at `2n` and `2n + 1`, the leaves from `leaves` on.
    nodes: Box<[u64]>,
    leaves: usize,
}

impl Timers {
    pub(super) fn new(capacity: usize) -> Self {
        let leaves = capacity.next_power_of_two();
        Self { nodes: vec![u64::MAX; 2 * leaves].into(), leaves }
    }

    pub(super) fn set(&mut self, index: usize, due_ns: u64) {
        let mut node = self.leaves + index;
        let mut earliest_ns = due_ns;
        while self.nodes[node] != earliest_ns {
            self.nodes[node] = earliest_ns;
            if node == 1 {
                return;
            }
            earliest_ns = earliest_ns.min(self.nodes[node ^ 1]);
            node /= 2;
        }
    }

    /// The earliest time, and whose it is; of several the smallest number.
    pub(super) fn first(&self) -> Option<(u64, usize)> {
        let due_ns = self.nodes[1];
        if due_ns == u64::MAX {
            return None;
        }
        let mut node = 1;
        while node < self.leaves {
            node = 2 * node + usize::from(self.nodes[2 * node] != due_ns);
        }
        Some((due_ns, node - self.leaves))
    }
}
