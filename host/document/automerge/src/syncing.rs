//! Sync sessions across the C line.

use automerge::sync::{Message, State, SyncDoc};
use std::collections::HashSet;
use std::ffi::c_void;

use crate::ffi::*;
use crate::notebook::Failure;
use crate::scan;

pub struct Sync(State);

#[no_mangle]
pub extern "C" fn lam_sync_new() -> *mut Sync {
    Box::into_raw(Box::new(Sync(State::new())))
}

/// # Safety
/// `sync` is NULL or came from `lam_sync_new` and is not used again.
#[no_mangle]
pub unsafe extern "C" fn lam_sync_free(sync: *mut Sync) {
    if !sync.is_null() {
        drop(Box::from_raw(sync));
    }
}

/// # Safety
/// Pointers are valid or, for `error`, NULL; `held` and `missing` hold as many as they say.
#[no_mangle]
pub unsafe extern "C" fn lam_sync_generate(
    doc: *mut Doc,
    sync: *mut Sync,
    held: *const Hash,
    held_count: u64,
    missing: *const Hash,
    missing_count: u64,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        (*out).release();
        if let Some(mut message) = n.am.sync().generate_sync_message(&mut (*sync).0) {
            // Flags announce version 2: whole documents, which cannot be checked before they are decoded.
            message.flags = None;
            // The engine does not know what is held, and would ask for it again, in vain: it was sent. As it does for
            // changes that it queues itself, `have` is left out when more is asked for than heads, so that the peer
            // sends what is asked for and nothing by a filter, which was wrong already.
            let missing = hashes(missing, missing_count);
            if !missing.is_empty() {
                let held: HashSet<_> = hashes(held, held_count).into_iter().collect();
                message.need.retain(|hash| !held.contains(hash));
                message.need.extend(missing);
                message.have.clear();
            }
            (*out).fill(message.encode());
        }
        Ok(())
    })
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_sync_changes(
    message: Slice,
    limits: *const LimitsView,
    sink: ChunkSink,
    context: *mut c_void,
    error: *mut Buffer,
) -> i32 {
    status(error, contain(|| {
        for chunk in scan::check_sync_message(message.bytes(), &(*limits).limits())? {
            sink(context, std::ptr::null(), Slice::of(chunk));
        }
        Ok(())
    }))
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_sync_receive(
    doc: *mut Doc,
    sync: *mut Sync,
    message: Slice,
    limits: *const LimitsView,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        let limits = (*limits).limits();
        let chunks = scan::check_sync_message(message.bytes(), &limits)?;
        let mut message = Message::decode(message.bytes())
            .map_err(|e| Failure::Malformed(format!("not a sync message: {e}")))?;
        let mut known = Vec::new();
        for chunk in chunks {
            let change = crate::changes::decode(chunk, &limits)?;
            if n.contains(&change.hash()) {
                known.push(chunk.to_vec());
            }
        }
        message.changes = known.into();
        n.am.sync().receive_sync_message(&mut (*sync).0, message)?;
        Ok(())
    })
}
