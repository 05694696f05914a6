import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { MeshError } from "./mesh-error.js";

const HOST_AND_PORT = /^(?:http:\/\/)?(\[[0-9a-f:.]+\]|[^\s:/@[\]]+):(\d{1,5})\/?$/i;

/**
 * Where the sidecar listens, as `node:http` takes it: by `HMS_MESH_ADDR`, else by the nearest `.hms/<name>/sidecar.json`
 * from the working folder upwards.
 */
export function findSidecar(service, environment = process.env, folder = process.cwd()) {
    const named = environment.HMS_MESH_ADDR;
    if (named) {
        const address = parseAddress(named);
        if (address) return address;
        throw noSidecar(service, `HMS_MESH_ADDR is ${JSON.stringify(named)}, neither host:port nor unix:PATH`);
    }
    const ended = [];
    for (let at = folder; ; at = dirname(at)) {
        const sidecars = sidecarsIn(join(at, ".hms"));
        const living = sidecars.find(({ pid }) => lives(pid));
        if (living) return living.address;
        ended.push(...sidecars);
        if (at === dirname(at)) break;
    }
    const [last] = ended;
    const why = last
        ? `the sidecar of ${last.name} (pid ${last.pid}) has ended`
        : `HMS_MESH_ADDR is not set, and no .hms/*/sidecar.json lies in ${folder} or above it`;
    throw noSidecar(service, why);
}

/** The address that `host:port`, `[::1]:port` or `unix:PATH` stands for; `undefined` for anything else. */
export function parseAddress(address) {
    if (typeof address === "string" && address.startsWith("unix:") && address.length > "unix:".length) {
        return { socketPath: address.slice("unix:".length) };
    }
    const match = HOST_AND_PORT.exec(address);
    const port = Number(match?.[2]);
    if (!match || port < 1 || port > 65_535) return undefined;
    return { host: match[1].replace(/^\[|\]$/g, ""), port };
}

/** The sidecars whose files this user owns, the newest first. */
function sidecarsIn(folder) {
    const found = [];
    for (const name of entries(folder)) {
        const sidecar = readSidecar(join(folder, name, "sidecar.json"));
        if (sidecar) found.push(sidecar);
    }
    return found.sort((one, other) => other.written - one.written);
}

function entries(folder) {
    try {
        return readdirSync(folder);
    } catch {
        return [];
    }
}

/** A file that is another user's, no plain file, or not whole says nothing about a sidecar. */
function readSidecar(path) {
    try {
        const file = lstatSync(path);
        if (!file.isFile() || (process.getuid && file.uid !== process.getuid())) return undefined;
        const { service, id, outbound, pid } = JSON.parse(readFileSync(path, "utf8"));
        const address = parseAddress(outbound);
        return address && { name: `${service}/${id}`, address, pid, written: file.mtimeMs };
    } catch {
        return undefined;
    }
}

function lives(pid) {
    if (!Number.isInteger(pid) || pid <= 0) return false;
    try {
        process.kill(pid, 0);
        return true;
    } catch (error) {
        return error.code === "EPERM";
    }
}

function noSidecar(service, why) {
    return new MeshError(`no sidecar to call ${service} through: ${why}`, {
        status: 503,
        code: "no-sidecar",
        service,
        delivered: "no",
        attempts: 0,
        hint: "start the program with one: hms-mesh dev -- node server.js",
    });
}
