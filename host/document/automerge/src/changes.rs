//! Raw changes of others: decode within bounds, check what the engine takes on trust, apply all or none.

use automerge::{ActorId, Change, ChangeHash};
use std::collections::{HashMap, HashSet};

use crate::notebook::{Failure, Notebook, Outcome};
use crate::scan::{self, Limits, ScanError};

/// How far past our own operation counter a change may start. Honest changes start right behind what their author
/// saw; the slack covers changes of theirs that were refused. Counters are 32 bits in the engine.
const MAX_OP_GAP: u64 = 1 << 20;
/// Up to here looking changes up one by one is cheaper than collecting everything new.
const FEW_CHANGES: usize = 16;
const MAX_OP: u64 = u32::MAX as u64 / 2;

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Malformed(text) => Failure::Malformed(text),
            ScanError::TooLarge(text) => Failure::TooLarge(text),
        }
    }
}

pub fn decode(chunk: &[u8], limits: &Limits) -> Outcome<Change> {
    scan::check_change_chunk(chunk, limits)?;
    let change = Change::from_bytes(chunk.to_vec()).map_err(|e| Failure::Malformed(format!("not a change: {e}")))?;
    if chunk[4..8] != change.hash().0[..4] {
        return Err(Failure::Malformed("a change whose checksum does not match its content".into()));
    }
    if change.seq() == 0 || change.start_op().get().saturating_add(change.len() as u64) > MAX_OP {
        return Err(Failure::Malformed(format!("change {} numbers its operations out of range", change.hash())));
    }
    Ok(change)
}

impl Notebook {
    /// Applies what is new. On anything but `Engine` the document is untouched. `verify`: see `verify_kept`.
    pub fn apply(&mut self, changes: Vec<Change>, verify: bool) -> Outcome<()> {
        if self.transaction.is_some() {
            return Err(Failure::Invalid("a transaction is open".into()));
        }
        let mut fresh: Vec<Change> = Vec::with_capacity(changes.len());
        let mut hashes = HashSet::new();
        for change in changes {
            if !self.contains(&change.hash()) && hashes.insert(change.hash()) {
                fresh.push(change);
            }
        }
        self.check_dependencies(&fresh, &hashes)?;
        let fresh = in_causal_order(fresh);
        self.check_numbering(&fresh)?;
        for change in &fresh {
            self.note_change(change);
        }
        let before = self.am.get_heads();
        let names: Vec<ChangeHash> = fresh.iter().map(Change::hash).collect();
        self.am.apply_changes(fresh)?;
        if verify {
            self.verify_kept(&before, &names)?;
        }
        Ok(())
    }

    /// The document keeps operations, not bytes, and makes each change anew from them. One that was encoded in any
    /// but the usual way comes out with another hash: it would be sent on under a name nobody knows, and the saved
    /// document would not load again.
    fn verify_kept(&mut self, before: &[ChangeHash], names: &[ChangeHash]) -> Outcome<()> {
        let kept: HashSet<ChangeHash> = if names.len() <= FEW_CHANGES {
            names.iter().filter_map(|name| self.am.get_change_by_hash(name)).map(|c| c.hash()).collect()
        } else {
            self.am.get_changes(before).iter().map(Change::hash).collect()
        };
        match names.iter().find(|name| !kept.contains(*name)) {
            Some(name) => Err(Failure::Engine(format!("change {name} is not encoded as the engine encodes it"))),
            None => Ok(()),
        }
    }

    fn check_dependencies(&mut self, fresh: &[Change], hashes: &HashSet<ChangeHash>) -> Outcome<()> {
        let mut missing: Vec<ChangeHash> = Vec::new();
        for dep in fresh.iter().flat_map(|c| c.deps()) {
            if !hashes.contains(dep) && !self.contains(dep) && !missing.contains(dep) {
                missing.push(*dep);
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Failure::MissingDependency(missing))
        }
    }

    /// `fresh` is in causal order.
    fn check_numbering(&self, fresh: &[Change]) -> Outcome<()> {
        let mut ops: HashMap<&ActorId, u64> = HashMap::new();
        let mut max_op = self.max_op;
        let mut seqs: HashMap<&ActorId, u64> = HashMap::new();
        for change in fresh {
            let actor = change.actor_id();
            let refuse = |what: &str| Err(Failure::Malformed(format!("change {} {what}", change.hash())));
            let last_seq = match seqs.get(actor) {
                Some(seq) => *seq,
                None => self.actor_seqs.get(actor).copied().unwrap_or(0),
            };
            if change.seq() != last_seq + 1 {
                return refuse(&format!("has sequence number {} where {} follows", change.seq(), last_seq + 1));
            }
            let last_op = *ops.get(actor).or_else(|| self.actor_ops.get(actor)).unwrap_or(&0);
            if change.start_op().get() <= last_op {
                return refuse("uses operation ids a second time");
            }
            if change.start_op().get() > max_op + MAX_OP_GAP {
                return refuse("starts its operations too far ahead");
            }
            seqs.insert(actor, change.seq());
            ops.insert(actor, last_op.max(change.max_op()));
            max_op = max_op.max(change.max_op());
        }
        Ok(())
    }
}

/// Dependencies first; the order given is kept where it already is one.
fn in_causal_order(changes: Vec<Change>) -> Vec<Change> {
    let inside: HashSet<ChangeHash> = changes.iter().map(Change::hash).collect();
    let mut placed: HashSet<ChangeHash> = HashSet::new();
    let ordered = changes.iter().all(|c| {
        let ready = c.deps().iter().all(|d| !inside.contains(d) || placed.contains(d));
        placed.insert(c.hash());
        ready
    });
    if ordered {
        return changes;
    }
    let mut waiting: HashMap<ChangeHash, Vec<usize>> = HashMap::new();
    let mut open: Vec<usize> = Vec::with_capacity(changes.len());
    let mut ready: Vec<usize> = Vec::new();
    for (i, change) in changes.iter().enumerate() {
        let deps: Vec<_> = change.deps().iter().filter(|d| inside.contains(*d)).collect();
        open.push(deps.len());
        if deps.is_empty() {
            ready.push(i);
        }
        for dep in deps {
            waiting.entry(*dep).or_default().push(i);
        }
    }
    let mut order = Vec::with_capacity(changes.len());
    while let Some(i) = ready.pop() {
        for j in waiting.remove(&changes[i].hash()).unwrap_or_default() {
            open[j] -= 1;
            if open[j] == 0 {
                ready.push(j);
            }
        }
        order.push(i);
    }
    let mut slots: Vec<Option<Change>> = changes.into_iter().map(Some).collect();
    order.into_iter().filter_map(|i| slots[i].take()).collect()
}
