//! The engine's patches, said in the words of a notebook.

use automerge::{ObjId, Patch, PatchAction, Prop};
use std::collections::{BTreeMap, BTreeSet};

use crate::json;
use crate::notebook::{map_at, Cell, Notebook, Transaction, FIELDS};

pub enum Event {
    CellPut(Cell),
    CellRemoved(String),
    Splice { cell: String, index: usize, delete: usize, insert: String },
    Source { cell: String, text: String },
    Field { cell: String, key: String, value: String },
    /// `cell` empty: the notebook's own metadata. No value: the key is gone.
    Metadata { cell: String, key: String, value: Option<String> },
    MetadataAll { cell: String, value: String },
    Resync,
}

/// An edit of more places in one source is told as the new source: each place that is spliced moves all that is behind
/// it.
const MAX_SPLICES: usize = 4096;

/// What a run of patches touched. Splices are kept in order; of the rest only the final state matters.
#[derive(Default)]
struct Touched {
    splices: Vec<Event>,
    cells: BTreeSet<String>,
    sources: BTreeSet<String>,
    fields: BTreeSet<(String, &'static str)>,
    metadata: BTreeMap<String, BTreeSet<String>>,
    metadata_all: BTreeSet<String>,
    resync: bool,
}

/// What a person does at once is fewer.
const MANY_PATCHES: usize = 32;

impl Notebook {
    /// What changed since the last call, and the number of patches it took to say so.
    pub fn take_events(&mut self) -> (Vec<Event>, usize) {
        let patches = self.am.diff_incremental();
        let count = patches.len();
        if count >= MANY_PATCHES {
            self.let_log_go();
        }
        (self.translate(patches), count)
    }

    /// Begins to log from here, in memory of its own: the engine keeps the room of its longest log, and a copy of the
    /// patches it told last, for as long as the document lives. After a notebook was read that is more than its cells.
    pub fn let_log_go(&mut self) {
        self.am.reset_diff_cursor();
        self.am.update_diff_cursor();
        let heads = self.am.get_heads();
        self.am.diff(&heads, &heads);
    }

    /// What a committed transaction changed. Edits made at earlier heads are found by comparing their sources alone.
    pub fn transaction_events(&mut self, transaction: &Transaction) -> Vec<Event> {
        if !transaction.at_heads {
            return self.take_events().0;
        }
        let after = self.am.get_heads();
        let mut patches = Vec::new();
        for source in &transaction.spliced {
            patches.extend(self.am.diff_obj(source, &transaction.before, &after, true).unwrap_or_default());
        }
        self.am.update_diff_cursor();
        self.translate(patches)
    }

    fn translate(&self, patches: Vec<Patch>) -> Vec<Event> {
        let mut touched = Touched::default();
        for patch in patches {
            touched.note(patch);
        }
        if touched.resync {
            return vec![Event::Resync];
        }
        touched.bound();
        self.describe(touched)
    }

    fn describe(&self, touched: Touched) -> Vec<Event> {
        let whole = |cell: &str| touched.cells.contains(cell);
        let mut events: Vec<Event> = touched
            .splices
            .into_iter()
            .filter(|e| matches!(e, Event::Splice { cell, .. } if !touched.cells.contains(cell) && !touched.sources.contains(cell)))
            .collect();
        for cell in &touched.cells {
            events.push(match self.read_cell(cell) {
                Some(data) => Event::CellPut(data),
                None => Event::CellRemoved(cell.clone()),
            });
        }
        for cell in touched.sources.iter().filter(|c| !whole(c)) {
            let text = self.read_source(cell).unwrap_or_default();
            events.push(Event::Source { cell: cell.clone(), text });
        }
        for (cell, key) in touched.fields.iter().filter(|(c, _)| !whole(c)) {
            if let Some(map) = self.cell_map(cell) {
                events.push(Event::Field { cell: cell.clone(), key: key.to_string(), value: self.string_at(&map, key) });
            }
        }
        for cell in touched.metadata_all.iter().filter(|c| !whole(c)) {
            let value = self.owner(cell).and_then(|o| json::read_key(&self.am, &o, "metadata"));
            let value = value.filter(|t| t.starts_with('{')).unwrap_or("{}".into());
            events.push(Event::MetadataAll { cell: cell.clone(), value });
        }
        for (cell, keys) in &touched.metadata {
            if whole(cell) || touched.metadata_all.contains(cell) {
                continue;
            }
            let map = self.owner(cell).and_then(|o| map_at(&self.am, &o, "metadata"));
            for key in keys {
                let value = map.as_ref().and_then(|m| json::read_key(&self.am, m, key));
                events.push(Event::Metadata { cell: cell.clone(), key: key.clone(), value });
            }
        }
        events
    }

    fn owner(&self, cell: &str) -> Option<ObjId> {
        if cell.is_empty() {
            Some(automerge::ROOT)
        } else {
            self.cell_map(cell)
        }
    }
}

impl Touched {
    fn bound(&mut self) {
        if self.splices.len() <= MAX_SPLICES {
            return;
        }
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for event in &self.splices {
            if let Event::Splice { cell, .. } = event {
                *places.entry(cell.as_str()).or_default() += 1;
            }
        }
        let many = places.into_iter().filter(|(_, count)| *count > MAX_SPLICES).map(|(cell, _)| cell.to_string());
        self.sources.extend(many.collect::<Vec<_>>());
    }

    fn note(&mut self, patch: Patch) {
        let keys: Vec<&str> = patch
            .path
            .iter()
            .map_while(|(_, prop)| match prop {
                Prop::Map(key) => Some(key.as_str()),
                Prop::Seq(_) => None,
            })
            .collect();
        let key = map_key(&patch.action);
        match keys.as_slice() {
            [] => match key {
                Some("cells") => self.resync = true,
                Some("metadata") => drop(self.metadata_all.insert(String::new())),
                _ => {}
            },
            ["cells"] => {
                if let Some(id) = key {
                    self.cells.insert(id.to_string());
                }
            }
            ["metadata", rest @ ..] => self.note_metadata("", rest, key),
            ["cells", cell] => self.note_cell(cell, key),
            ["cells", cell, "source"] => {
                let cell = cell.to_string();
                self.note_source(cell, &patch.action);
            }
            ["cells", cell, "source", ..] => drop(self.sources.insert(cell.to_string())),
            ["cells", cell, "metadata", rest @ ..] => self.note_metadata(cell, rest, key),
            _ => {}
        }
    }

    fn note_cell(&mut self, cell: &str, key: Option<&str>) {
        match key {
            Some("source") => drop(self.sources.insert(cell.to_string())),
            Some("metadata") => drop(self.metadata_all.insert(cell.to_string())),
            Some(key) => {
                if let Some(field) = FIELDS.iter().find(|f| **f == key) {
                    self.fields.insert((cell.to_string(), field));
                }
            }
            None => {}
        }
    }

    fn note_metadata(&mut self, owner: &str, rest: &[&str], key: Option<&str>) {
        if let Some(top) = rest.first().copied().or(key) {
            self.metadata.entry(owner.to_string()).or_default().insert(top.to_string());
        }
    }

    fn note_source(&mut self, cell: String, action: &PatchAction) {
        match action {
            PatchAction::SpliceText { index, value, .. } => {
                let text = value.make_string();
                if let Some(Event::Splice { cell: last, index: at, insert, .. }) = self.splices.last_mut() {
                    if *last == cell && insert.is_empty() && *at == *index {
                        *insert = text;
                        return;
                    }
                }
                self.splices.push(Event::Splice { cell, index: *index, delete: 0, insert: text });
            }
            PatchAction::DeleteSeq { index, length } => {
                if let Some(Event::Splice { cell: last, index: at, delete, insert }) = self.splices.last_mut() {
                    if *last == cell && *at + insert.chars().count() == *index {
                        *delete += length;
                        return;
                    }
                }
                self.splices.push(Event::Splice { cell, index: *index, delete: *length, insert: String::new() });
            }
            // Marks and conflicts change no text; anything else is not plain text any more.
            PatchAction::Mark { .. } | PatchAction::Conflict { .. } => {}
            _ => drop(self.sources.insert(cell)),
        }
    }
}

fn map_key(action: &PatchAction) -> Option<&str> {
    match action {
        PatchAction::PutMap { key, .. } | PatchAction::DeleteMap { key } => Some(key),
        PatchAction::Increment { prop: Prop::Map(key), .. } | PatchAction::Conflict { prop: Prop::Map(key) } => Some(key),
        _ => None,
    }
}
