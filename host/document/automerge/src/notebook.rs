//! The notebook inside the document: nteract's schema 5, its frozen first change, and the edits on it.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, AutomergeError, ChangeHash, ObjId, ObjType, ReadDoc, ScalarValue, TextEncoding, ROOT};
use std::collections::HashMap;

use crate::json;

const SCHEMA_ACTOR: &[u8] = b"nteract:notebook-schema:v5";
const SCHEMA_MESSAGE: &str = "Seed nteract notebook schema";
const SCHEMA_VERSION: u64 = 5;
pub const GENESIS_HASH: [u8; 32] = [
    0x5c, 0xb8, 0x37, 0xa3, 0xe1, 0x0c, 0x24, 0xa4, 0x10, 0x7f, 0x4b, 0xf0, 0x42, 0x60, 0xc3, 0x56, 0x21, 0xad, 0x8f,
    0x00, 0x3e, 0xc7, 0xfb, 0xcb, 0xe6, 0x34, 0x07, 0x02, 0x8a, 0x22, 0xf3, 0x3b,
];
const MODELS_ACTOR: &[u8] = b"nteract:comms-doc-schema:v1";
const MODELS_MESSAGE: &str = "Seed nteract comms doc schema";
pub const MODELS_GENESIS_HASH: [u8; 32] = [
    0x59, 0xe6, 0x10, 0x76, 0x83, 0x32, 0x84, 0x12, 0x63, 0x5b, 0x4c, 0x86, 0x81, 0x24, 0xe9, 0xc4, 0x01, 0x47, 0x04,
    0xde, 0x08, 0x6a, 0xef, 0x82, 0x2a, 0x58, 0xc0, 0x7d, 0x85, 0x15, 0x3a, 0x57,
];
pub const FIELDS: [&str; 3] = ["position", "cell_type", "execution_count"];

#[derive(Debug)]
pub enum Failure {
    Malformed(String),
    TooLarge(String),
    MissingDependency(Vec<ChangeHash>),
    NotFound(String),
    OutOfRange(String),
    Invalid(String),
    Engine(String),
    Panic(String),
}

impl From<AutomergeError> for Failure {
    fn from(error: AutomergeError) -> Self {
        Failure::Engine(error.to_string())
    }
}

pub type Outcome<T> = Result<T, Failure>;

/// One open transaction.
pub struct Transaction {
    pub before: Vec<ChangeHash>,
    pub at_heads: bool,
    /// Sources edited at earlier heads, whose effect on today's text is found by comparing.
    pub spliced: Vec<ObjId>,
}

pub struct Notebook {
    pub am: AutoCommit,
    pub transaction: Option<Transaction>,
    /// The highest operation and the last sequence number of each actor: operation ids must not be used twice, which
    /// the engine itself does not check.
    pub actor_ops: HashMap<ActorId, u64>,
    pub actor_seqs: HashMap<ActorId, u64>,
    pub max_op: u64,
}

#[derive(Default)]
pub struct Cell {
    pub id: String,
    pub cell_type: String,
    pub position: String,
    pub source: String,
    pub execution_count: String,
    pub metadata: String,
    pub resolved_assets: String,
    pub attachments: String,
}

impl Notebook {
    pub fn new() -> Outcome<Self> {
        let mut am = AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(SCHEMA_ACTOR));
        am.put(ROOT, "schema_version", ScalarValue::Uint(SCHEMA_VERSION))?;
        am.put_object(ROOT, "cells", ObjType::Map)?;
        am.put_object(ROOT, "metadata", ObjType::Map)?;
        am.commit_with(CommitOptions::default().with_message(SCHEMA_MESSAGE).with_time(0));
        Self::from_document(am, GENESIS_HASH)
    }

    /// The document of widget models: nteract's comms schema and its frozen first change. It has no cells, so what is
    /// about cells finds none; everything about changes, heads and syncing is the same.
    pub fn models() -> Outcome<Self> {
        let mut am = AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(MODELS_ACTOR));
        am.put(ROOT, "schema_version", ScalarValue::Uint(1))?;
        am.put_object(ROOT, "comms", ObjType::Map)?;
        am.commit_with(CommitOptions::default().with_message(MODELS_MESSAGE).with_time(0));
        Self::from_document(am, MODELS_GENESIS_HASH)
    }

    pub fn load(bytes: &[u8]) -> Outcome<Self> {
        let options = automerge::LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint);
        let am = AutoCommit::load_with_options(bytes, options)
            .map_err(|e| Failure::Malformed(format!("not a saved document: {e}")))?;
        Self::from_document(am, GENESIS_HASH)
    }

    fn from_document(mut am: AutoCommit, genesis: [u8; 32]) -> Outcome<Self> {
        if am.get_change_meta_by_hash(&ChangeHash(genesis)).is_none() {
            return Err(Failure::Malformed("the document does not begin with its schema's first change".into()));
        }
        let mut actor_ops = HashMap::new();
        let mut actor_seqs = HashMap::new();
        let mut max_op = 0;
        for meta in am.get_changes_meta(&[]) {
            let seq = actor_seqs.entry(meta.actor.clone().into_owned()).or_insert(0u64);
            *seq = (*seq).max(meta.seq);
            let op = actor_ops.entry(meta.actor.into_owned()).or_insert(0u64);
            *op = (*op).max(meta.max_op);
            max_op = max_op.max(meta.max_op);
        }
        am.update_diff_cursor();
        Ok(Self { am, transaction: None, actor_ops, actor_seqs, max_op })
    }

    pub fn contains(&mut self, hash: &ChangeHash) -> bool {
        self.am.get_change_meta_by_hash(hash).is_some()
    }

    pub fn heads(&mut self) -> Vec<ChangeHash> {
        let mut heads = self.am.get_heads();
        heads.sort();
        heads
    }

    pub fn cells_map(&self) -> Option<ObjId> {
        map_at(&self.am, &ROOT, "cells")
    }

    pub fn metadata_map(&self) -> Option<ObjId> {
        map_at(&self.am, &ROOT, "metadata")
    }

    pub fn cell_map(&self, id: &str) -> Option<ObjId> {
        map_at(&self.am, &self.cells_map()?, id)
    }

    fn existing_cell(&self, id: &str) -> Outcome<ObjId> {
        self.cell_map(id).ok_or_else(|| Failure::NotFound(format!("no cell {id:?}")))
    }

    /// Everything about one cell; nothing when the key holds no cell. Reads the whole source.
    pub fn read_cell(&self, id: &str) -> Option<Cell> {
        let map = self.cell_map(id)?;
        let object = |key: &str| json::read_key(&self.am, &map, key).filter(|t| t.starts_with('{')).unwrap_or("{}".into());
        Some(Cell {
            id: id.to_string(),
            cell_type: self.string_at(&map, "cell_type"),
            position: self.string_at(&map, "position"),
            source: self.read_source(id).unwrap_or_default(),
            execution_count: self.string_at(&map, "execution_count"),
            metadata: object("metadata"),
            resolved_assets: object("resolved_assets"),
            attachments: object("attachments"),
        })
    }

    pub fn string_at(&self, map: &ObjId, key: &str) -> String {
        match self.am.get(map, key) {
            Ok(Some((value, _))) => value.as_str().map(str::to_string).unwrap_or_default(),
            _ => String::new(),
        }
    }

    pub fn read_source(&self, id: &str) -> Option<String> {
        let map = self.cell_map(id)?;
        match text_at(&self.am, &map, "source") {
            Some(text) => self.am.text(&text).ok(),
            None => Some(self.string_at(&map, "source")),
        }
    }

    pub fn cell_ids(&self) -> Vec<String> {
        let Some(cells) = self.cells_map() else { return Vec::new() };
        let mut ids: Vec<(String, String)> = self
            .am
            .keys(&cells)
            .filter_map(|id| Some((self.string_at(&self.cell_map(&id)?, "position"), id)))
            .collect();
        ids.sort();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    // ---- transactions ------------------------------------------------------------------------------------------

    pub fn begin(&mut self, actor: &[u8], heads: &[ChangeHash]) -> Outcome<()> {
        if self.transaction.is_some() {
            return Err(Failure::Invalid("a transaction is open already".into()));
        }
        for head in heads {
            if !self.contains(head) {
                return Err(Failure::NotFound(format!("no change {head} in this history")));
            }
        }
        let before = self.am.get_heads();
        self.am.set_actor(ActorId::from(actor));
        if !heads.is_empty() {
            self.am.reset_diff_cursor();
            self.am.isolate(heads);
        }
        self.transaction = Some(Transaction { before, at_heads: !heads.is_empty(), spliced: Vec::new() });
        Ok(())
    }

    fn in_transaction(&self) -> Outcome<()> {
        match self.transaction {
            Some(_) => Ok(()),
            None => Err(Failure::Invalid("no transaction is open".into())),
        }
    }

    pub fn rollback(&mut self) {
        self.am.rollback();
        self.leave_heads();
    }

    /// Ends the transaction; the change made, if any, and what it was based on.
    pub fn commit(&mut self, message: &str) -> Outcome<(Transaction, Option<automerge::Change>)> {
        self.in_transaction()?;
        let hash = if self.am.pending_ops() == 0 {
            None
        } else {
            let options = CommitOptions::default().with_time(0);
            self.am.commit_with(if message.is_empty() { options } else { options.with_message(message) })
        };
        let transaction = self.leave_heads();
        let change = match hash {
            Some(hash) => self.am.get_change_by_hash(&hash),
            None => None,
        };
        if let Some(change) = &change {
            self.note_change(change);
        }
        Ok((transaction, change))
    }

    fn leave_heads(&mut self) -> Transaction {
        let transaction = self.transaction.take().unwrap_or(Transaction {
            before: Vec::new(),
            at_heads: false,
            spliced: Vec::new(),
        });
        if transaction.at_heads {
            self.am.integrate();
        }
        transaction
    }

    pub fn note_change(&mut self, change: &automerge::Change) {
        let last = change.max_op();
        let known = self.actor_ops.entry(change.actor_id().clone()).or_insert(0);
        *known = (*known).max(last);
        self.actor_seqs.insert(change.actor_id().clone(), change.seq());
        self.max_op = self.max_op.max(last);
    }

    // ---- edits -------------------------------------------------------------------------------------------------

    /// The order of the fields is nteract's.
    pub fn create_cell(&mut self, cell: &Cell) -> Outcome<()> {
        self.in_transaction()?;
        let metadata = object(&cell.metadata, "metadata")?;
        let assets = object(&cell.resolved_assets, "resolved_assets")?;
        let attachments = object(&cell.attachments, "attachments")?;
        // A client's change may have taken the map away, and with it all cells: the next ones need it again.
        let cells = match self.cells_map() {
            Some(cells) => cells,
            None => self.am.put_object(ROOT, "cells", ObjType::Map)?,
        };
        let map = self.am.put_object(&cells, cell.id.as_str(), ObjType::Map)?;
        self.am.put(&map, "id", cell.id.as_str())?;
        self.am.put(&map, "cell_type", cell.cell_type.as_str())?;
        self.am.put(&map, "position", cell.position.as_str())?;
        let source = self.am.put_object(&map, "source", ObjType::Text)?;
        if !cell.source.is_empty() {
            self.am.splice_text(&source, 0, 0, &cell.source)?;
        }
        self.am.put(&map, "execution_count", cell.execution_count.as_str())?;
        for (key, members) in [("metadata", metadata), ("resolved_assets", assets), ("attachments", attachments)] {
            let child = self.am.put_object(&map, key, ObjType::Map)?;
            json::fill_map(&mut self.am, &child, &members)?;
        }
        Ok(())
    }

    pub fn delete_cell(&mut self, id: &str) -> Outcome<()> {
        self.in_transaction()?;
        self.existing_cell(id)?;
        let cells = self.cells_map().ok_or_else(|| Failure::NotFound("the document has no cells map".into()))?;
        Ok(self.am.delete(&cells, id)?)
    }

    pub fn set_field(&mut self, id: &str, key: &str, value: &str) -> Outcome<()> {
        self.in_transaction()?;
        if !FIELDS.contains(&key) {
            return Err(Failure::Invalid(format!("a cell has no field {key:?} to set")));
        }
        let map = self.existing_cell(id)?;
        Ok(self.am.put(&map, key, value)?)
    }

    pub fn splice_source(&mut self, id: &str, index: u64, delete: u64, insert: &str) -> Outcome<()> {
        self.in_transaction()?;
        let map = self.existing_cell(id)?;
        let source = match text_at(&self.am, &map, "source") {
            Some(text) => text,
            None => self.am.put_object(&map, "source", ObjType::Text)?,
        };
        let length = self.am.length(&source) as u64;
        if index > length || delete > length - index {
            return Err(Failure::OutOfRange(format!(
                "a splice at {index} deleting {delete} in cell {id:?}, whose source has {length} code points"
            )));
        }
        self.am.splice_text(&source, index as usize, delete as isize, insert)?;
        if let Some(transaction) = &mut self.transaction {
            if transaction.at_heads && !transaction.spliced.contains(&source) {
                transaction.spliced.push(source);
            }
        }
        Ok(())
    }

    pub fn set_metadata(&mut self, id: &str, path: &[&str], value: Option<&[u8]>) -> Outcome<()> {
        self.in_transaction()?;
        let owner = if id.is_empty() { ROOT } else { self.existing_cell(id)? };
        self.set_below(owner, "metadata", path, value)
    }

    /// The first key of the path is a model's id.
    pub fn set_model(&mut self, path: &[&str], value: Option<&[u8]>) -> Outcome<()> {
        self.in_transaction()?;
        self.set_below(ROOT, "comms", path, value)
    }

    fn set_below(&mut self, owner: ObjId, root: &str, path: &[&str], value: Option<&[u8]>) -> Outcome<()> {
        let Some((last, parents)) = path.split_last() else {
            return Err(Failure::Invalid(format!("an empty {root} path")));
        };
        if path.len() > json::MAX_DEPTH {
            return Err(Failure::TooLarge(format!("a {root} path of more than {} keys", json::MAX_DEPTH)));
        }
        let value = value.map(json::parse).transpose().map_err(Failure::Malformed)?;
        let mut map = owner;
        for key in std::iter::once(&root).chain(parents) {
            map = match map_at(&self.am, &map, key) {
                Some(child) => child,
                None if value.is_none() => return Ok(()),
                None => self.am.put_object(&map, *key, ObjType::Map)?,
            };
        }
        match value {
            Some(value) => json::put(&mut self.am, &map, last, &value)?,
            None if self.am.get(&map, *last)?.is_some() => self.am.delete(&map, *last)?,
            None => {}
        }
        Ok(())
    }
}

fn object(text: &str, what: &str) -> Outcome<serde_json::Map<String, serde_json::Value>> {
    if text.is_empty() {
        return Ok(Default::default());
    }
    match json::parse(text.as_bytes()).map_err(|e| Failure::Malformed(format!("{what}: {e}")))? {
        serde_json::Value::Object(members) => Ok(members),
        _ => Err(Failure::Malformed(format!("{what}: not a JSON object"))),
    }
}

fn child_of_kind(am: &AutoCommit, parent: &ObjId, key: &str, kind: ObjType) -> Option<ObjId> {
    match am.get(parent, key) {
        Ok(Some((automerge::Value::Object(found), id))) if found == kind => Some(id),
        _ => None,
    }
}

pub fn map_at(am: &AutoCommit, parent: &ObjId, key: &str) -> Option<ObjId> {
    child_of_kind(am, parent, key, ObjType::Map)
}

pub fn text_at(am: &AutoCommit, parent: &ObjId, key: &str) -> Option<ObjId> {
    child_of_kind(am, parent, key, ObjType::Text)
}
