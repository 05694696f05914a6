// Runs a tutorial as a reader does. A fence `console NAME` is the terminal of that name, `console` the one for commands.
// `$ ` begins a command and `> ` goes on with it; every other line must come out, in this order, `…` standing for anything.
// The terminal for commands waits for each and wants it to succeed, unless an error's name is what the text promises.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE = 60_000;
const COMMANDS = "commands";
const work = mkdtempSync(join(tmpdir(), "hms-tutorial-"));
const environment = { ...process.env, PATH: `${process.env.HMS_BIN}:${process.env.PATH}`, NO_COLOR: "1" };
for (const name of Object.keys(environment)) if (/^HMS_(MESH|REG|TOKEN)/.test(name)) delete environment[name];
Object.assign(environment, { XDG_STATE_HOME: join(work, "state"), XDG_RUNTIME_DIR: join(work, "run") });

/** A shell whose commands come one by one, and what they have said that nobody has looked for yet. */
class Terminal {
    output = "";
    seen = 0;

    constructor(name) {
        this.name = name;
        this.shell = spawn("bash", [], { env: environment, detached: true, stdio: ["pipe", "pipe", "pipe"] });
        for (const stream of [this.shell.stdout, this.shell.stderr]) {
            stream.setEncoding("utf8").on("data", (text) => (this.output += text));
        }
    }

    type(text) {
        this.shell.stdin.write(`${text}\n`);
    }

    async lookFor(line) {
        const pattern = new RegExp(
            line.split("…").map((part) => part.split(/\s+/).map(escaped).join("\\s+")).join("[^\\n]*"),
        );
        await eventually(`${this.name}: ${line}`, () => {
            const found = pattern.exec(this.output.slice(this.seen));
            if (found) this.seen += found.index + found[0].length;
            return found;
        });
    }

    async stop() {
        // The shell, and all that was started in it.
        for (let signal of ["SIGINT", "SIGTERM", "SIGKILL"]) {
            for (let end = Date.now() + 5_000; Date.now() < end; await after(50)) {
                try {
                    process.kill(-this.shell.pid, signal);
                } catch {
                    return; // nothing of it is left
                }
                signal = 0;
            }
        }
    }
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const after = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function eventually(what, isSo) {
    const end = Date.now() + PATIENCE;
    while (!isSo()) {
        if (Date.now() > end) throw new Error(`waited ${PATIENCE / 1000} s for ${what}`);
        await after(20);
    }
}

/** Commands, each with the lines that it promises; first those that belong to a command before. */
function steps(fence) {
    const found = [{ lines: [] }];
    for (const line of fence.trimEnd().split("\n")) {
        const current = found[found.length - 1];
        if (line.startsWith("$ ")) found.push({ command: line.slice(2), lines: [] });
        else if (line.startsWith(">") && current.command) current.command += `\n${line.replace(/^> ?/, "")}`;
        else current.lines.push(line);
    }
    return found;
}

const terminals = new Map();
function terminal(name) {
    if (!terminals.has(name)) terminals.set(name, new Terminal(name));
    return terminals.get(name);
}

let number = 0;
async function run(name, fence) {
    const shell = terminal(name);
    for (const { command, lines } of steps(fence)) {
        const end = `tutorial-step-${++number}`;
        if (command) shell.type(name === COMMANDS ? `${command}\necho ${end}-$?` : command);
        for (const line of lines) if (line.trim() !== "…") await shell.lookFor(line);
        if (!command || name !== COMMANDS) continue;
        await eventually(`the end of ${command}`, () => shell.output.includes(`${end}-`));
        const promisesFailure = lines.some((line) => /unknown-service/.test(line));
        const code = Number(/-(\d+)$/m.exec(shell.output.slice(shell.output.indexOf(`${end}-`)))[1]);
        const isDoctor = command.includes(" doctor "); // it ends with 1 where anything is amiss, an instance just killed say
        if ((code === 0) === promisesFailure && !isDoctor) throw new Error(`${command} ended with ${code}`);
    }
}

/** The dev registry is a process of its own, which outlives whoever started it. */
function stopRegistry() {
    try {
        process.kill(Number(readFileSync(join(work, "state/hms/dev/lock"), "utf8")));
    } catch {
        // it was never started, or has ended
    }
}

const began = Date.now();
let code = 0;
try {
    const text = readFileSync(process.argv[2], "utf8");
    for (const [, name, fence] of text.matchAll(/^```console *([a-z-]*)\n(.*?)^```$/gms)) {
        if (name !== "build") await run(name || COMMANDS, fence);
    }
    console.log(`✔ the tutorial: ${number} steps in ${((Date.now() - began) / 1000).toFixed(1)} s`);
} catch (error) {
    code = 1;
    console.error(`✘ the tutorial: ${error.message}`);
    for (const { name, output } of terminals.values()) console.error(`--- ${name}\n${output.slice(-1_500)}`);
} finally {
    await Promise.all([...terminals.values()].map((each) => each.stop()));
    stopRegistry();
    rmSync(work, { recursive: true, force: true });
}
process.exit(code);
