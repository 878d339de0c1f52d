//! The C shapes of `include/lectern_automerge.h`, and the one place where panics stop.

use automerge::{Change, ChangeHash};
use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use crate::notebook::{Cell, Failure, Notebook};
use crate::patches::Event;
use crate::scan::Limits;

const OK: i32 = 0;
const POISONED: i32 = 9;

/// `None`: poisoned.
pub struct Doc {
    pub notebook: Option<Notebook>,
}

/// Changes that were read, until they are applied.
pub struct Changes {
    pub read: Vec<Change>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slice {
    pub data: *const u8,
    pub size: u64,
}

impl Slice {
    pub const NONE: Slice = Slice { data: std::ptr::null(), size: 0 };

    pub fn of(bytes: &[u8]) -> Self {
        Slice { data: bytes.as_ptr(), size: bytes.len() as u64 }
    }

    /// # Safety
    /// The caller of the C function vouches for the pointer and for the time it stays valid.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.size == 0 || self.data.is_null() {
            &[]
        } else {
            std::slice::from_raw_parts(self.data, self.size as usize)
        }
    }

    /// # Safety
    /// As `bytes`.
    pub unsafe fn text<'a>(self) -> Result<&'a str, Failure> {
        std::str::from_utf8(self.bytes()).map_err(|_| Failure::Malformed("text that is not UTF-8".into()))
    }
}

#[repr(C)]
pub struct Buffer {
    data: *mut u8,
    size: u64,
    capacity: u64,
}

impl Buffer {
    /// # Safety
    /// The buffer is all zero or was filled here.
    pub unsafe fn release(&mut self) {
        if !self.data.is_null() {
            drop(Vec::from_raw_parts(self.data, self.size as usize, self.capacity as usize));
        }
        *self = Buffer { data: std::ptr::null_mut(), size: 0, capacity: 0 };
    }

    /// # Safety
    /// As `release`.
    pub unsafe fn fill(&mut self, bytes: Vec<u8>) {
        self.release();
        if bytes.is_empty() {
            return;
        }
        let mut bytes = std::mem::ManuallyDrop::new(bytes);
        *self = Buffer { data: bytes.as_mut_ptr(), size: bytes.len() as u64, capacity: bytes.capacity() as u64 };
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Hash {
    pub bytes: [u8; 32],
}

#[repr(C)]
pub struct LimitsView {
    pub max_chunk_bytes: u64,
    pub max_inflated_bytes: u64,
    pub max_ops: u64,
}

impl LimitsView {
    pub fn limits(&self) -> Limits {
        Limits {
            max_chunk_bytes: self.max_chunk_bytes,
            max_inflated_bytes: self.max_inflated_bytes,
            max_ops: self.max_ops,
        }
    }
}

#[repr(C)]
pub struct CellView {
    pub id: Slice,
    pub cell_type: Slice,
    pub position: Slice,
    pub source: Slice,
    pub execution_count: Slice,
    pub metadata: Slice,
    pub resolved_assets: Slice,
    pub attachments: Slice,
}

impl CellView {
    pub fn of(cell: &Cell) -> Self {
        let slice = |s: &String| Slice::of(s.as_bytes());
        CellView {
            id: slice(&cell.id),
            cell_type: slice(&cell.cell_type),
            position: slice(&cell.position),
            source: slice(&cell.source),
            execution_count: slice(&cell.execution_count),
            metadata: slice(&cell.metadata),
            resolved_assets: slice(&cell.resolved_assets),
            attachments: slice(&cell.attachments),
        }
    }

    /// # Safety
    /// The caller of the C function vouches for the pointers.
    pub unsafe fn cell(&self) -> Result<Cell, Failure> {
        Ok(Cell {
            id: self.id.text()?.into(),
            cell_type: self.cell_type.text()?.into(),
            position: self.position.text()?.into(),
            source: self.source.text()?.into(),
            execution_count: self.execution_count.text()?.into(),
            metadata: self.metadata.text()?.into(),
            resolved_assets: self.resolved_assets.text()?.into(),
            attachments: self.attachments.text()?.into(),
        })
    }
}

#[repr(C)]
pub struct InfoView {
    pub hash: Hash,
    pub actor: Slice,
    pub message: Slice,
    pub deps: *const Hash,
    pub dep_count: u64,
    pub seq: u64,
    pub start_op: u64,
    pub op_count: u64,
}

#[repr(C)]
pub struct PatchView {
    pub kind: u32,
    pub reserved: u32,
    pub cell_id: Slice,
    pub key: Slice,
    pub text: Slice,
    pub index: u64,
    pub delete_count: u64,
    pub cell: *const CellView,
}

pub type PatchSink = unsafe extern "C" fn(*mut c_void, *const PatchView);
pub type CellSink = unsafe extern "C" fn(*mut c_void, *const CellView);
pub type ChunkSink = unsafe extern "C" fn(*mut c_void, *const Hash, Slice);
pub type InfoSink = unsafe extern "C" fn(*mut c_void, *const InfoView);

/// # Safety
/// `data` holds `count` hashes.
pub unsafe fn hashes(data: *const Hash, count: u64) -> Vec<ChangeHash> {
    if count == 0 {
        return Vec::new();
    }
    std::slice::from_raw_parts(data, count as usize).iter().map(|h| ChangeHash(h.bytes)).collect()
}

/// # Safety
/// `data` holds `count` slices that outlive the call.
pub unsafe fn slices<'a>(data: *const Slice, count: u64) -> &'a [Slice] {
    if count == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, count as usize)
    }
}

/// # Safety
/// `sink` and `context` belong together.
pub unsafe fn deliver(events: Vec<Event>, sink: Option<PatchSink>, context: *mut c_void) {
    let Some(sink) = sink else { return };
    let text = |s: &str| Slice::of(s.as_bytes());
    for event in &events {
        let mut view = PatchView {
            kind: 0,
            reserved: 0,
            cell_id: Slice::NONE,
            key: Slice::NONE,
            text: Slice::NONE,
            index: 0,
            delete_count: 0,
            cell: std::ptr::null(),
        };
        let cell_view;
        match event {
            Event::CellPut(cell) => {
                cell_view = CellView::of(cell);
                (view.kind, view.cell_id, view.cell) = (1, text(&cell.id), &cell_view);
            }
            Event::CellRemoved(cell) => (view.kind, view.cell_id) = (2, text(cell)),
            Event::Splice { cell, index, delete, insert } => {
                (view.kind, view.cell_id, view.text) = (3, text(cell), text(insert));
                (view.index, view.delete_count) = (*index as u64, *delete as u64);
            }
            Event::Source { cell, text: source } => (view.kind, view.cell_id, view.text) = (4, text(cell), text(source)),
            Event::Field { cell, key, value } => {
                (view.kind, view.cell_id, view.key, view.text) = (5, text(cell), text(key), text(value));
            }
            Event::Metadata { cell, key, value } => {
                (view.kind, view.cell_id, view.key) = (6, text(cell), text(key));
                view.text = value.as_ref().map_or(Slice::NONE, |v| text(v));
            }
            Event::MetadataAll { cell, value } => (view.kind, view.cell_id, view.text) = (7, text(cell), text(value)),
            Event::Resync => view.kind = 8,
        }
        sink(context, &view);
    }
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `f` and turns a panic into `Failure::Engine`.
pub fn contain<T>(f: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    static HOOK: Once = Once::new();
    // The default hook writes to the standard error of the host, which is not ours to use.
    HOOK.call_once(|| {
        let tell = if cfg!(test) { Some(std::panic::take_hook()) } else { None };
        std::panic::set_hook(Box::new(move |info| {
            if let Some(tell) = &tell {
                tell(info);
            }
            PANIC.with(|text| *text.borrow_mut() = info.to_string());
        }));
    });
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err(Failure::Panic(PANIC.with(|text| text.take()))))
}

/// Runs `f` on a document; a panic, or an engine error halfway, poisons it.
///
/// # Safety
/// `doc` and `error` are valid or NULL.
pub unsafe fn with(doc: *mut Doc, error: *mut Buffer, f: impl FnOnce(&mut Notebook) -> Result<(), Failure>) -> i32 {
    let Some(doc) = doc.as_mut() else {
        return status(error, Err(Failure::Invalid("no document".into())));
    };
    let Some(notebook) = doc.notebook.as_mut() else {
        if let Some(error) = error.as_mut() {
            error.fill(b"the document failed earlier and must be rebuilt".to_vec());
        }
        return POISONED;
    };
    let outcome = contain(|| f(notebook));
    if matches!(outcome, Err(Failure::Engine(_) | Failure::Panic(_))) {
        if let Some(broken) = doc.notebook.take() {
            let _ = contain(move || {
                drop(broken);
                Ok(())
            });
        }
    }
    status(error, outcome)
}

/// # Safety
/// `error` is valid or NULL.
pub unsafe fn status(error: *mut Buffer, outcome: Result<(), Failure>) -> i32 {
    match outcome {
        Ok(()) => OK,
        Err(failure) => report(error, failure),
    }
}

/// # Safety
/// `error` is valid or NULL.
pub unsafe fn report(error: *mut Buffer, failure: Failure) -> i32 {
    let (code, text) = match failure {
        Failure::Malformed(text) => (1, text),
        Failure::TooLarge(text) => (2, text),
        Failure::MissingDependency(missing) => {
            let names: Vec<String> = missing.iter().take(8).map(|h| h.to_string()).collect();
            (3, format!("changes that are not here: {}", names.join(", ")))
        }
        Failure::NotFound(text) => (4, text),
        Failure::OutOfRange(text) => (5, text),
        Failure::Invalid(text) => (6, text),
        Failure::Engine(text) => (7, text),
        Failure::Panic(text) => (8, text),
    };
    if let Some(error) = error.as_mut() {
        error.fill(text.into_bytes());
    }
    code
}
