// The JSON shapes that routes take and answer. Text, because that is how they are read.
#include <stdexcept>

#include "api/spec.hpp"

namespace lectern::api {
namespace {

constexpr std::string_view components = R"json({
"Error": {"type":"object","required":["error"],"properties":{"error":{"type":"object","required":["code","message"],
  "properties":{"code":{"type":"string","description":"stable, for programs"},
    "message":{"type":"string","description":"what was wrong and where"},
    "hint":{"type":"string","description":"what to do"},"details":{"type":"object"}}}}},
"Health": {"type":"object","required":["status"],"properties":{"status":{"type":"string","enum":["ok"]}}},
"Info": {"type":"object","required":["version","protocol","device_name","plugins","policy","limits"],"properties":{
  "version":{"type":"string"},"protocol":{"type":"string"},"device_name":{"type":"string"},
  "started_at":{"type":"string","format":"date-time"},"root":{"type":"string"},
  "plugins":{"type":"array","items":{"type":"object","required":["id","state"],"properties":{"id":{"type":"string"},
    "kind":{"type":"string"},"version":{"type":"string"},"state":{"type":"string"}}}},
  "policy":{"$ref":"#/components/schemas/Policy"},
  "token":{"type":"object","description":"what the asker's token may do","required":["scope"],"properties":{
    "scope":{"type":"string"},"session_id":{"type":"string"}}},
  "runtimes":{"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},
    "display_name":{"type":"string"},"language":{"type":"string"}}}},
  "limits":{"type":"object"}}},
"ConnectionInfo": {"type":"object","required":["protocol","notebook_id","session_id","path","format","cell_count",
  "needs_trust_approval","connect_url"],"properties":{"protocol":{"type":"string"},"notebook_id":{"type":"string"},
  "session_id":{"type":"string"},"path":{"type":"string"},"format":{"type":"string"},"cell_count":{"type":"integer"},
  "needs_trust_approval":{"type":"boolean"},"connect_url":{"type":"string"},
  "remote":{"$ref":"#/components/schemas/Remote"}}},
"Remote": {"type":"object","description":"only of a session that is attached: the device that has it",
  "required":["device_id","device_name"],"properties":{"device_id":{"type":"string"},"device_name":{"type":"string"}}},
"OpenRequest": {"type":"object","required":["path"],"properties":{
  "path":{"type":"string","description":"relative to the served root, or absolute inside it"},
  "watch":{"type":"boolean","description":"when another host has the file: read it here, and follow what is saved there"},
  "create":{"type":"boolean","description":"default true: a path where nothing is yet is a new notebook, a folder gets an untitled one; false: 404"}}},
"CreateRequest": {"type":"object","required":["runtime"],"properties":{
  "runtime":{"type":"string","description":"<plugin>/<kernel>, or the kernel's name where only one plugin has it"},
  "working_dir":{"type":"string"},"path":{"type":"string"},"package_manager":{"type":"string"},
  "dependencies":{"type":"array","items":{"type":"string"}},
  "ephemeral":{"type":"boolean","description":"no file of its own until it is saved somewhere; not with path"}}},
"FileEntry": {"type":"object","required":["name","path","type"],"properties":{"name":{"type":"string"},
  "path":{"type":"string"},"type":{"type":"string","enum":["folder","notebook","file"]},
  "size":{"type":"integer"},"modified":{"type":"string","format":"date-time"}}},
"FileList": {"type":"object","required":["path","entries"],"properties":{"path":{"type":"string"},
  "root":{"type":"string"},"entries":{"type":"array","items":{"$ref":"#/components/schemas/FileEntry"}}}},
"FolderRequest": {"type":"object","required":["path"],"properties":{"path":{"type":"string"}}},
"RenameRequest": {"type":"object","required":["from","to"],"properties":{"from":{"type":"string"},
  "to":{"type":"string","description":"the whole new path; its folder has to be there"}}},
"SessionSummary": {"type":"object","required":["session_id","path","epoch","members"],"properties":{
  "session_id":{"type":"string"},"notebook_id":{"type":"string"},"path":{"type":"string"},"title":{"type":"string"},
  "format":{"type":"string"},"runtime":{"type":"string"},"kernel_state":{"type":"string"},
  "editor":{"type":["string","null"]},"epoch":{"type":"integer"},"members":{"type":"integer"},
  "cell_count":{"type":"integer"},"started_at":{"type":"string","format":"date-time"},
  "updated_at":{"type":"string","format":"date-time"},"needs_input":{"type":"boolean"},
  "resources":{"type":["object","null"],"description":"what the kernel and what it started use","properties":{
    "rss":{"type":"integer","description":"bytes"},"cpu_percent":{"type":"integer","description":"of one core"},
    "processes":{"type":"integer"}}},
  "running":{"type":"boolean"},"remote":{"$ref":"#/components/schemas/Remote"}}},
"SessionList": {"type":"object","required":["sessions"],"properties":{
  "sessions":{"type":"array","items":{"$ref":"#/components/schemas/SessionSummary"}}}},
"Session": {"type":"object","description":"connection info, room, kernel, policy, save state and counters"},
"HistoryAuthor": {"type":"object","required":["client_id","label","device"],"properties":{
  "client_id":{"type":"string"},"label":{"type":"string"},"device":{"type":"string"}}},
"Version": {"type":"object","required":["version","source","started_at","ended_at","authors","cells","more_cells","edits"],
  "properties":{"version":{"type":"string"},"source":{"type":"string",
    "enum":["client","restore","kernel","file","host","import","create","earlier","trimmed","recovered"]},
  "started_at":{"type":"string","format":"date-time","description":"by the host's clock"},
  "ended_at":{"type":"string","format":"date-time"},"edits":{"type":"integer"},
  "authors":{"type":"array","items":{"$ref":"#/components/schemas/HistoryAuthor"}},
  "cells":{"type":"array","items":{"type":"object","required":["cell_id","inserted","deleted"],"properties":{
    "cell_id":{"type":"string"},"inserted":{"type":"integer"},"deleted":{"type":"integer"},
    "created":{"type":"boolean"},"removed":{"type":"boolean"},"moved":{"type":"boolean"},
    "changed":{"type":"boolean","description":"its type or metadata"}}}},
  "more_cells":{"type":"integer"},"restored":{"type":"string"},"restored_cell":{"type":"string"},
  "history_id":{"type":"string"},"heads":{"type":"array","items":{"type":"string"}}}},
"History": {"type":"object","required":["versions"],"properties":{
  "versions":{"type":"array","items":{"$ref":"#/components/schemas/Version"}},
  "next_before":{"type":"string","description":"there are older ones: ask with before="},
  "kept":{"type":"array","description":"only without before","items":{"type":"object",
    "required":["version","name","at","bytes"],"properties":{"version":{"type":"string"},"name":{"type":"string"},
      "at":{"type":"string","format":"date-time"},"bytes":{"type":"integer"}}}}}},
"HistoryCell": {"type":"object","required":["cell_type"],"properties":{"id":{"type":"string"},
  "cell_type":{"type":"string"},"source":{"type":"string","description":"absent past 8 MB of sources in one answer"},
  "bytes":{"type":"integer","description":"where source is absent"}}},
"HistoryDifference": {"type":"object","required":["cell_id","change"],"properties":{"cell_id":{"type":"string"},
  "change":{"type":"string","enum":["added","removed","changed"]},"source_changed":{"type":"boolean"},
  "type_changed":{"type":"boolean"},"metadata_changed":{"type":"boolean"},"moved":{"type":"boolean"},
  "before":{"$ref":"#/components/schemas/HistoryCell"},"after":{"$ref":"#/components/schemas/HistoryCell"}}},
"HistoryVersion": {"type":"object","required":["version","cells","truncated"],"properties":{
  "version":{"type":"string"},"against":{"type":"string"},"about":{"$ref":"#/components/schemas/Version"},
  "cells":{"type":"array","description":"with against what differs, else all","items":{"anyOf":[
    {"$ref":"#/components/schemas/HistoryCell"},{"$ref":"#/components/schemas/HistoryDifference"}]}},
  "unchanged":{"type":"integer"},"truncated":{"type":"boolean"}}},
"Blame": {"type":"object","required":["cell_id","last","lines"],"properties":{"cell_id":{"type":"string"},
  "last":{"type":"object","description":"{version, source, at, author?}"},
  "lines":{"type":"array","description":"{first, count, version?, source?, at?, author?}","items":{"type":"object"}}}},
"NewClientRequest": {"type":"object","properties":{"label":{"type":"string"},"kind":{"type":"string"},
  "view_only":{"type":"boolean"}}},
"Capabilities": {"type":"object","required":["edit","interact"],"properties":{"edit":{"type":"boolean"},
  "interact":{"type":"boolean"}}},
"Room": {"type":"object","description":"as the event room-state"},
"NewClient": {"type":"object","required":["client","ticket","consumer_capabilities","room"],"properties":{
  "client":{"type":"object","required":["id","secret"],"properties":{"id":{"type":"string"},
    "secret":{"type":"string"}}},"ticket":{"type":"string","description":"single use, valid 30 s"},
  "consumer_capabilities":{"$ref":"#/components/schemas/Capabilities"},"room":{"$ref":"#/components/schemas/Room"}}},
"TakeoverRequest": {"type":"object","properties":{"if_epoch":{"type":"integer"},"reason":{"type":"string"}}},
"Takeover": {"type":"object","description":"200: epoch, editor, consumer_capabilities; 202: asked, request_id, deadline_ms",
  "properties":{"epoch":{"type":"integer"},"editor":{"type":["object","null"]},
  "consumer_capabilities":{"$ref":"#/components/schemas/Capabilities"},"asked":{"type":"object"},
  "request_id":{"type":"integer"},"deadline_ms":{"type":"integer"}}},
"TakeoverStatus": {"type":"object","required":["request_id","state"],"properties":{"request_id":{"type":"integer"},
  "state":{"type":"string","enum":["open","allowed","denied","withdrawn","expired"]},"reason":{"type":"string"},
  "epoch":{"type":"integer"}}},
"CommandBody": {"type":"object"},
"CommandResult": {"type":"object"},
"PolicyRequest": {"type":"object","required":["policy"],"properties":{"policy":{"type":"string"},
  "config":{"type":"object"},"dry_run":{"type":"boolean"},"watch_ms":{"type":"integer"}}},
"TokenRequest": {"type":"object","required":["scope"],"additionalProperties":false,"properties":{
  "scope":{"enum":["view","interact","edit","admin"]},"name":{"type":"string","description":"whom policies and clients know it as; unique"},
  "session_id":{"type":"string","description":"of this session only"},
  "expires_ms":{"type":"integer","description":"from now; absent = until it is revoked"}}},
"Token": {"type":"object","required":["id","scope","principal","created_at"],"properties":{"id":{"type":"string"},
  "scope":{"type":"string"},"principal":{"type":"string"},"name":{"type":"string"},"session_id":{"type":"string"},
  "created_at":{"type":"string","format":"date-time"},"expires_at":{"type":"string","format":"date-time"}}},
"NewToken": {"type":"object","required":["id","token","scope","principal","created_at"],"properties":{
  "token":{"type":"string","description":"shown this once"},"id":{"type":"string"},"scope":{"type":"string"},
  "principal":{"type":"string"}}},
"TokenList": {"type":"object","required":["tokens"],"properties":{
  "tokens":{"type":"array","items":{"$ref":"#/components/schemas/Token"}}}},
"PairingRequest": {"type":"object","properties":{
  "scope":{"enum":["view","interact","edit","admin"],"description":"what the other device may do here; default edit"},
  "expires_ms":{"type":"integer","description":"from now; default five minutes, at most an hour"}}},
"PairingOffer": {"type":"object","required":["code","scope","expires_at","device_id","device_name","pin","addresses"],
  "properties":{"code":{"type":"string","description":"shown this once; for one device"},"scope":{"type":"string"},
  "expires_at":{"type":"string","format":"date-time"},"device_id":{"type":"string"},"device_name":{"type":"string"},
  "pin":{"type":"string"},"addresses":{"type":"array","items":{"type":"string"}}}},
"PairingAcceptance": {"type":"object","required":["device_id","device_name","pin","nonce","grants"],"properties":{
  "device_id":{"type":"string"},"device_name":{"type":"string"},
  "pin":{"type":"string","description":"sha256 of the device's public key (SPKI), hex"},
  "nonce":{"type":"string","description":"64 random hex digits"},
  "grants":{"enum":["none","view","interact","edit","admin"],"description":"what the offering device may do there"},
  "proof":{"type":"string","description":"that it knows the code; without one it is only answered who offers"},
  "key":{"type":"string","description":"with a proof: the public key of the pin (SPKI, DER), base64"},
  "signature":{"type":"string","description":"with a proof: by that key, base64; docs/pairing.md says of what"}}},
"PairingAnswer": {"type":"object","description":"without a proof what the offering device says of itself, as PairingAcceptance; else its proofs",
  "properties":{"device_id":{"type":"string"},"device_name":{"type":"string"},"pin":{"type":"string"},
  "nonce":{"type":"string"},"grants":{"type":"string"},"proof":{"type":"string"},"key":{"type":"string"},
  "signature":{"type":"string"}}},
"PairingWithdrawal": {"type":"object","required":["code"],"properties":{"code":{"type":"string"}}},
"PairingJoin": {"type":"object","required":["address","code"],"properties":{
  "address":{"type":"string","description":"host or host:port"},"code":{"type":"string"},
  "scope":{"enum":["none","view","interact","edit","admin"],"description":"what the offering device may do here; default view"}}},
"PairedDevice": {"type":"object","required":["device_id","device_name","scope","their_scope","pin","paired_at"],
  "properties":{"device_id":{"type":"string"},"device_name":{"type":"string"},
  "scope":{"type":"string","description":"what it may do here"},
  "their_scope":{"type":"string","description":"what this device may do there"},"pin":{"type":"string"},
  "paired_at":{"type":"string","format":"date-time"}}},
"PairedDeviceList": {"type":"object","required":["devices"],"properties":{
  "devices":{"type":"array","items":{"$ref":"#/components/schemas/PairedDevice"}}}},
"Policy": {"type":"object","required":["policy","config"],"properties":{"policy":{"type":"string"},
  "config":{"type":"object"},"multi_editor":{"type":"boolean"},"generation":{"type":"integer"}}},
"PolicySwap": {"type":"object","required":["policy","sessions"],"properties":{"policy":{"type":"string"},
  "sessions":{"type":"array","items":{"type":"object","required":["session_id","ok"],"properties":{
    "session_id":{"type":"string"},"ok":{"type":"boolean"}}}}}},
"Plugin": {"type":"object","required":["id","generation","sessions"],"properties":{"id":{"type":"string"},
  "generation":{"type":"integer"},"sessions":{"type":"array","items":{"type":"object"}}}},
"PluginRow": {"type":"object","required":["id","path","state","generations"],"properties":{"id":{"type":"string"},
  "path":{"type":"string"},"kind":{"type":"string","description":"absent where the manifest could not be read"},
  "name":{"type":"string"},"version":{"type":"string"},"description":{"type":"string"},
  "unloadable":{"type":"boolean"},"trusted":{"type":"boolean"},"isolation":{"enum":["process","none"]},
  "state":{"enum":["loaded","available","refused"]},
  "refused":{"type":"object","required":["code","message","hint"],"properties":{"code":{"type":"string"},
    "message":{"type":"string"},"hint":{"type":"string"}}},
  "generations":{"type":"array","items":{"$ref":"#/components/schemas/Generation"}}}},
"Generation": {"type":"object","required":["number","state","sha256","build","loaded_at","load_us","calls","failures",
  "slowest_us","p99_us","isolation"],"properties":{"number":{"type":"integer"},
  "state":{"enum":["loaded","active","draining","quarantined"]},"why":{"type":"string"},"sha256":{"type":"string"},
  "build":{"type":"string"},"loaded_at":{"type":"string","format":"date-time"},"load_us":{"type":"integer"},
  "calls":{"type":"integer"},"failures":{"type":"integer"},"slowest_us":{"type":"integer"},
  "p99_us":{"type":"integer"},"isolation":{"enum":["process","none"]},"restarts":{"type":"integer"},
  "pid":{"type":"integer"},"memory_bytes":{"type":"integer"},"last_failure":{"type":"string"},
  "dropped_log_lines":{"type":"integer"},"config_schema":{"type":"object"},
  "health":{"type":"object","required":["state","summary"],"properties":{"state":{"type":"string"},
    "summary":{"type":"string"},"details":{"type":"object"}}},
  "breaches":{"type":"array","items":{"type":"object"}}}},
"PluginList": {"type":"object","required":["plugins","search"],"properties":{
  "plugins":{"type":"array","items":{"$ref":"#/components/schemas/PluginRow"}},"search":{"type":"array","items":{"type":"string"}}}},
"RemoteSessionList": {"type":"object","required":["sessions"],"properties":{
  "sessions":{"type":"array","items":{"type":"object","required":["session_id","device_id","device_name","title","status"],
    "properties":{"session_id":{"type":"string"},"device_id":{"type":"string"},"device_name":{"type":"string"},
      "title":{"type":"string"},"status":{"type":"string"},"needs_input":{"type":"boolean"},
      "updated_at":{"type":"string","format":"date-time"},"dialable":{"type":"boolean"}}}},
  "backends":{"type":"array","items":{"type":"object"}},"rejected":{"type":"array","items":{"type":"object"}},
  "revision":{"type":"integer"}}}
})json";

}  // namespace

json::Value component_schemas() {
  auto parsed = json::parse(components);
  if (!parsed) throw std::logic_error("spec: " + parsed.error().message);
  return std::move(*parsed);
}

}  // namespace lectern::api
