import { useEffect, useState } from "react";
import { api } from "../wire/http";
import type { DeviceRow } from "../wire/host_types";
import type { Json } from "../wire/types";

/** Devices of which something was heard lately. */
function heardOf(presence: Json): Set<string> {
  const devices = (presence as { devices?: unknown } | null)?.devices;
  if (!Array.isArray(devices)) return new Set();
  return new Set((devices as { device_id?: unknown; stale?: unknown }[]).filter((one) => typeof one.device_id === "string" && one.stale !== true).map((one) => String(one.device_id)));
}

/** Paired devices that are there now and let this one make notebooks; nobody is asked before `wanted`. */
export function useOtherDevices(wanted: boolean): DeviceRow[] {
  const [devices, setDevices] = useState<DeviceRow[]>([]);
  useEffect(() => {
    if (!wanted) return;
    let current = true;
    const ask = async () => {
      const paired = (await api.devices()).filter((one) => one.their_scope === "edit" || one.their_scope === "admin");
      const heard = paired.length > 0 ? heardOf(await api.presence()) : new Set<string>();
      if (current) setDevices(paired.filter((one) => heard.has(one.device_id)));
    };
    // Without an answer there is this device alone, as for who has no other.
    ask().catch(() => undefined);
    return () => {
      current = false;
    };
  }, [wanted]);
  return devices;
}
