import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const absent = spawnSync("tsc", ["--version"]).error && "tsc is not installed (Debian: node-typescript)";

test("the types hold", { skip: absent }, () => {
    const folder = fileURLToPath(new URL(".", import.meta.url));
    const { status, stdout } = spawnSync("tsc", ["-p", folder], { encoding: "utf8" });
    assert.equal(status, 0, stdout);
});
