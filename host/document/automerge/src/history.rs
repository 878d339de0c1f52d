//! Looking back: the cells at earlier heads, and who wrote the lines of one.

use automerge::{ChangeHash, ObjId, ReadDoc, ScalarValueRef, ValueRef};
use std::collections::HashMap;
use std::ffi::c_void;

use crate::ffi::*;
use crate::notebook::{text_at, Failure, Notebook, Outcome};

pub type BlameSink = unsafe extern "C" fn(*mut c_void, u64, Slice);

/// # Safety
/// Pointers are valid or, for `error`, NULL; `heads` holds `count`.
#[no_mangle]
pub unsafe extern "C" fn lam_snapshot_at(
    doc: *mut Doc,
    heads: *const Hash,
    count: u64,
    sink: CellSink,
    context: *mut c_void,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        n.at_heads(&hashes(heads, count), |n| {
            for cell in n.cell_ids().iter().filter_map(|id| n.read_cell(id)) {
                sink(context, &CellView::of(&cell));
            }
        })
    })
}

/// # Safety
/// Pointers are valid or, for `error`, NULL; `counts` holds `groups`, and `heads` their sum.
#[no_mangle]
pub unsafe extern "C" fn lam_blame(
    doc: *mut Doc,
    cell_id: Slice,
    heads: *const Hash,
    counts: *const u64,
    groups: u64,
    sink: BlameSink,
    context: *mut c_void,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        let mut at = heads;
        let groups: Vec<Vec<ChangeHash>> = (0..groups as usize)
            .map(|group| {
                let count = *counts.add(group);
                let own = hashes(at, count);
                at = at.add(count as usize);
                own
            })
            .collect();
        for line in n.blame(cell_id.text()?, &groups)? {
            sink(context, line.group as u64, Slice::of(&line.actor));
        }
        Ok(())
    })
}

/// Who wrote in a line of a source last.
pub struct Line {
    /// Of the groups asked about: the first whose heads hold the change; their number when none does.
    pub group: usize,
    pub actor: Vec<u8>,
}

impl Notebook {
    fn known(&mut self, heads: &[ChangeHash]) -> Outcome<()> {
        for head in heads {
            if !self.contains(head) {
                return Err(Failure::NotFound(format!("no change {head} in this history")));
            }
        }
        Ok(())
    }

    /// Runs `read` on the document as it was at `heads`.
    pub fn at_heads<T>(&mut self, heads: &[ChangeHash], read: impl FnOnce(&Self) -> T) -> Outcome<T> {
        if self.transaction.is_some() {
            return Err(Failure::Invalid("a transaction is open".into()));
        }
        self.known(heads)?;
        self.am.isolate(heads);
        let out = read(self);
        self.am.integrate();
        Ok(out)
    }

    /// Which group each change of the history belongs to: the first whose heads lead to it.
    fn grouped(&mut self, groups: &[Vec<ChangeHash>]) -> (Vec<automerge::ChangeMetadata<'static>>, Vec<usize>) {
        let metas: Vec<_> = self.am.get_changes_meta(&[]).into_iter().map(|m| m.into_owned()).collect();
        let place: HashMap<ChangeHash, usize> = metas.iter().enumerate().map(|(i, m)| (m.hash, i)).collect();
        let mut label = vec![groups.len(); metas.len()];
        let mut waiting = Vec::new();
        for (group, heads) in groups.iter().enumerate() {
            waiting.extend(heads.iter().filter_map(|head| place.get(head).copied()));
            while let Some(at) = waiting.pop() {
                if label[at] != groups.len() {
                    continue;
                }
                label[at] = group;
                waiting.extend(metas[at].deps.iter().filter_map(|dep| place.get(dep).copied()));
            }
        }
        (metas, label)
    }

    /// Who wrote the lines of a cell, from the first to the last; none when the source is empty. Heads that are not in this history say nothing.
    pub fn blame(&mut self, cell: &str, groups: &[Vec<ChangeHash>]) -> Outcome<Vec<Line>> {
        let source = self
            .cell_map(cell)
            .and_then(|map| text_at(&self.am, &map, "source"))
            .ok_or_else(|| Failure::NotFound(format!("no cell {cell:?}")))?;
        let (metas, label) = self.grouped(groups);
        // An operation is named by its actor and counter; a change is a run of counters of one actor.
        let mut runs: HashMap<&[u8], Vec<(u64, u64, usize)>> = HashMap::new();
        for (at, meta) in metas.iter().enumerate() {
            runs.entry(meta.actor.to_bytes()).or_default().push((meta.start_op, meta.max_op, at));
        }
        for run in runs.values_mut() {
            run.sort_unstable();
        }
        let mut out: Vec<Line> = Vec::new();
        let mut line: Option<usize> = None; // the change that wrote in it last
        let newer = |a: Option<usize>, b: usize| match a {
            // What no group leads to is newer than all of them.
            Some(a) if (label[a], a) >= (label[b], b) => Some(a),
            _ => Some(b),
        };
        let told = |change: Option<usize>| Line {
            group: change.map_or(groups.len(), |at| label[at]),
            actor: change.map_or(Vec::new(), |at| metas[at].actor.to_bytes().to_vec()),
        };
        let mut open = false;
        for item in self.am.list_range(&source, ..) {
            if let ObjId::Id(counter, actor, _) = item.id() {
                let all = runs.get(actor.to_bytes()).map_or(&[][..], |all| all);
                let after = all.partition_point(|(start, _, _)| *start <= counter);
                if let Some((_, max, at)) = all[..after].last() {
                    if counter <= *max {
                        line = newer(line, *at);
                    }
                }
            }
            open = true;
            if matches!(&item.value, ValueRef::Scalar(ScalarValueRef::Str(text)) if text == "\n") {
                out.push(told(line.take()));
                open = false;
            }
        }
        if open {
            out.push(told(line));
        }
        Ok(out)
    }
}
