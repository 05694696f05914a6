import Foundation
import TestSupport
import Testing

/// `hms-mesh dev` in a folder of its own, with an application of a few lines.
@Suite("hms-mesh dev")
struct DevTests {
    @Test("the four lines, exactly, before the application's own; Ctrl-C lets the request under way end and exits 0")
    func fourLines() async throws {
        try await withFolder { folder in
            let dev = try folder.dev(["--", "/usr/bin/perl", folder.path + "/app.pl"], label: "dev")
            try await eventually("the service to run") { dev.output.contains("Service running on") }
            let lines = dev.output.split(separator: "\n").prefix(4)
            #expect(
                lines == [
                    "✔ Sidecar injected", "✔ Certificate issued (CN=photo-validator)",
                    "✔ Registered with HMS-REG at \(folder.daemon.plainAddress)",
                    "Service running on http://localhost:\(folder.port)",
                ]
            )
            try await eventually("the application's line") { (dev.output + dev.errors).contains("listening on") }
            #expect((dev.output + dev.errors).contains("listening on \(folder.port) at 127.0.0.1 with 127.0.0.1:"))

            try await eventually("health") { try await folder.daemon.reg("lookup", "photo-validator").exitCode == 0 }
            let slow = Task { try await folder.mesh(["curl", "photo-validator", "/slow"]) }
            try await eventually("the request to arrive") { (dev.output + dev.errors).contains("began /slow") }
            #expect(try await dev.end(by: SIGINT) == 0)
            let answer = try await slow.value
            #expect(answer.exitCode == 0)
            #expect(answer.output == "done")
            let said = dev.output + dev.errors
            let ended = try #require(said.range(of: "ended /slow"))
            let stopped = try #require(said.range(of: "stopped by TERM"))
            #expect(ended.upperBound <= stopped.lowerBound)
        }
    }

    @Test("it exits as the command did, and the instance is gone from the registry")
    func exitCode() async throws {
        try await withFolder { folder in
            let result = try await folder.mesh(
                ["dev", "--registry", "unix:" + folder.daemon.socket, "--", "/bin/sh", "-c", "exit 7"]
            )
            #expect(result.exitCode == 7)
            #expect((result.output + result.errors).contains("exited 7 after "))
            let found = try await folder.daemon.reg("lookup", "photo-validator", "--all", "--json")
            #expect(found.output == "{\"photo-validator\":[]}\n")
        }
    }

    @Test("a port that is taken is named with who has it, and ends with 1")
    func takenPort() async throws {
        try await withFolder { folder in
            let holder = try WireServer { _ in }
            let result = try await folder.mesh(
                ["dev", "--port", "\(holder.port)", "--registry", "unix:" + folder.daemon.socket, "--", "/bin/true"]
            )
            #expect(result.exitCode == 1)
            #expect(result.output == "")
            let lines = result.errors.split(separator: "\n")
            #expect(lines.first?.hasPrefix("✘ Port \(holder.port) is taken by ") == true)
            #expect(lines.first?.hasSuffix("(pid \(getpid()))") == true)
            #expect(lines.last?.hasPrefix("→ a second instance of photo-validator: hms-mesh dev --port ") == true)
        }
    }

    @Test("killed without a word it takes its application along, so that the port is free for whoever comes next")
    func killed() async throws {
        try await withFolder { folder in
            let command = ["--", "/usr/bin/perl", folder.path + "/app.pl"]
            let dev = try folder.dev(command, label: "killed")
            try await eventually("the application") { (dev.output + dev.errors).contains("listening on") }
            try await dev.end(by: SIGKILL)
            // Its pipes are gone with the sidecar: the port alone tells.
            var again = try folder.dev(command, label: "again")
            try await eventually("the application again") {
                if !again.isRunning { again = try folder.dev(command, label: "again") }
                return again.output.contains("Service running on")
            }
            #expect(try await again.end(by: SIGINT) == 0)
        }
    }

    @Test("a wrong key in hms.yml is shown at its place with the nearest key, and ends with 2")
    func wrongManifest() async throws {
        try await withFolder { folder in
            try writeFile(
                folder.path + "/hms.yml",
                Array("service:\n  name: photo-validator\n  port: 7000\nmesh:\n  retrys: 2\n".utf8)
            )
            let result = try await folder.mesh(["dev"])
            #expect(result.exitCode == 2)
            #expect(result.output == "")
            #expect(result.errors.contains("hms.yml:5:3: unknown key mesh.retrys"))
            #expect(result.errors.contains("did you mean retries?"))
        }
    }

    @Test("two instances take both ports; curl, status and a load's summary speak of them")
    func twoInstances() async throws {
        try await withFolder { folder in
            let dev = try folder.dev(
                ["--instances", "2", "--", "/usr/bin/perl", folder.path + "/app.pl"],
                label: "dev"
            )
            try await eventually("both to be routable") {
                let found = try await folder.daemon.reg("lookup", "photo-validator", "--json").output
                return found.components(separatedBy: "\"status\":\"healthy\"").count == 3
            }
            let verbose = try await folder.mesh(["curl", "-v", "photo-validator", "/hello"])
            #expect(verbose.exitCode == 0)
            #expect(verbose.output == "hello")
            #expect(verbose.errors.contains("try 1/3"))
            #expect(verbose.errors.contains("  200 OK  "))

            let unknown = try await folder.mesh(["curl", "photo-validatr", "/"])
            #expect(unknown.exitCode == 1)
            #expect(unknown.errors.contains("did you mean photo-validator?"))

            let load = try await folder.mesh(["curl", "photo-validator", "/hello", "-n", "100", "-c", "4"])
            #expect(load.exitCode == 0)
            #expect(load.errors.contains("requests  100"))
            #expect(load.errors.contains("succeeded 100.00%"))
            let json = try await folder.mesh(["curl", "photo-validator", "/hello", "-n", "10", "--output", "json"])
            let summary = try JSONValue(parsing: Array(json.output.utf8))
            #expect(summary["requests"] == .number(10))
            #expect(summary["succeeded"] == .number(10))

            let tail = try RunningProgram(
                "hms-mesh",
                ["tail", "--json"],
                environment: folder.environment,
                logTo: folder.path,
                label: "tail"
            )
            try await eventually("a line of the tail") {
                _ = try await folder.mesh(["curl", "photo-validator", "/hello"])
                return tail.output.contains("\n")
            }
            for line in tail.output.split(separator: "\n") {
                let line = try JSONValue(parsing: Array(line.utf8))
                #expect(line["status"] == .number(200))
            }
            try await tail.end(by: SIGKILL)

            let status = try await folder.mesh(["status", "--json"])
            #expect(status.exitCode == 0)
            #expect(try JSONValue(parsing: Array(status.output.utf8)) != .null)
            #expect(try await dev.end(by: SIGINT) == 0)
        }
    }

    @Test("an application that is restarted beneath it is seen: gone at once, and offered again with its new pid")
    func restart() async throws {
        try await withFolder { folder in
            let command = "while :; do /usr/bin/perl app.pl; until rm again 2>/dev/null; do sleep 0.05; done; done"
            let dev = try folder.dev(["--", "/bin/sh", "-c", command], label: "dev")
            try await eventually("health") { try await folder.daemon.reg("lookup", "photo-validator").exitCode == 0 }
            let first = try #require(pids(dev).last)
            kill(first, SIGKILL)
            try await eventually("nothing to be offered") {
                try await folder.daemon.reg("lookup", "photo-validator").exitCode == 1
            }
            #expect((dev.output + dev.errors).contains("healthy → unhealthy (127.0.0.1:\(folder.port): "))
            try writeFile(folder.path + "/again", [])
            try await eventually("health again") {
                try await folder.daemon.reg("lookup", "photo-validator").exitCode == 0
            }
            let second = try #require(pids(dev).last)
            #expect(second != first)
            #expect(
                (dev.output + dev.errors).contains(
                    "the application was restarted: perl (pid \(first)) → perl (pid \(second))"
                )
            )
            #expect(try await folder.mesh(["curl", "photo-validator", "/hello"]).output == "hello")
            #expect(try await dev.end(by: SIGINT) == 0)
        }
    }

    /// Of the application, in the order of its starts.
    private func pids(_ dev: RunningProgram) -> [Int32] {
        (dev.output + dev.errors).split(separator: "\n").compactMap { line in
            line.range(of: " as pid ").flatMap { Int32(line[$0.upperBound...]) }
        }
    }

    @Test(
        "mtls: false opens a door without a certificate on loopback, with a warning; names of others get nothing there"
    )
    func plainDoor() async throws {
        try await withFolder(mtls: false) { folder in
            let dev = try folder.dev(["--", "/usr/bin/perl", folder.path + "/app.pl"], label: "dev")
            try await eventually("health") { try await folder.daemon.reg("lookup", "photo-validator").exitCode == 0 }
            #expect(dev.errors.contains("⚠ mtls: false: whoever is on this machine may call photo-validator"))
            try await eventually("where") { dev.errors.contains(" without mTLS http://127.0.0.1:") }
            let place = try #require(dev.errors.range(of: " without mTLS http://127.0.0.1:"))
            let port = try #require(UInt16(dev.errors[place.upperBound...].prefix { $0.isNumber }))
            func ask(_ host: String) throws -> String {
                let wire = try Wire(port: port)
                try wire.send("GET /hello HTTP/1.1\r\nhost: \(host)\r\nconnection: close\r\n\r\n")
                return try wire.readToEnd()
            }
            for host in ["localhost:\(port)", "127.0.0.1:\(port)", "photo-validator", "photo-validator.gov.local"] {
                #expect(try ask(host).hasSuffix("\r\n\r\nhello"), "\(host)")
            }
            #expect(try ask("evil.example:\(port)").hasPrefix("HTTP/1.1 400 "))
            // Sidecars go on as ever.
            let called = try await folder.mesh(["curl", "-v", "photo-validator", "/hello"])
            #expect(called.output == "hello")
            #expect(called.errors.contains("mtls=on"))
            #expect(try await dev.end(by: SIGINT) == 0)
            let refused = try await folder.mesh(["run", "--file", folder.path + "/hms.yml"])
            #expect(refused.exitCode == 2)
            #expect(refused.errors.contains("mtls: false is for hms-mesh dev"))
        }
    }

    @Test("A sidecar whose place for calls is taken says by whom, and what to do")
    func takenPlaceForCalls() async throws {
        try await withFolder { folder in
            let other = try WireServer { _ in }
            let run = try await folder.mesh([
                "run", "--file", folder.path + "/hms.yml", "--outbound", "127.0.0.1:\(other.port)",
            ])
            #expect(run.exitCode == 1)
            #expect(
                run.errors.contains("✘ the sidecar can't listen on 127.0.0.1:\(other.port): address already in use")
            )
            #expect(run.errors.contains("port \(other.port) is taken by"))
            #expect(run.errors.contains("→ another place for the application's calls: --outbound"))
        }
    }

    /// A service's folder and a registry for it.
    private struct Folder {
        let path: String
        let port: UInt16
        let daemon: Daemon

        var environment: [String: String] {
            ["XDG_STATE_HOME": path + "/state", "XDG_RUNTIME_DIR": path, "HMS_REGISTRY": "unix:" + daemon.socket]
        }

        func dev(_ arguments: [String], label: String) throws -> RunningProgram {
            try RunningProgram(
                "hms-mesh",
                ["dev", "--file", path + "/hms.yml"] + arguments,
                environment: environment,
                logTo: path,
                label: label
            )
        }

        func mesh(_ arguments: [String]) async throws -> Program.Result {
            try await Program.run("hms-mesh", arguments, environment: environment, in: path)
        }
    }

    private func withFolder(mtls: Bool = true, _ body: (Folder) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            let folder = Folder(path: directory + "/service", port: freeApplicationPort(), daemon: daemon)
            try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
            let manifest = """
                service:
                  name: photo-validator
                  version: 1.0.0
                  port: \(folder.port)
                mesh:
                  retries: 2          # auto-retry failed calls
                  timeout: 5s
                  mtls: \(mtls)          # turn on mutual-TLS

                """
            try writeFile(folder.path + "/hms.yml", Array(manifest.utf8))
            try writeFile(folder.path + "/app.pl", Array(Self.application.utf8))
            try await body(folder)
            try await daemon.program.end()
        }
    }

    /// Answers each path with a word, `/slow` after a second; says what it was given, and what ends it.
    private static let application = """
        use IO::Socket::INET;
        $| = 1;
        $SIG{TERM} = sub { print "stopped by TERM\\n"; exit 0 };
        my $server = IO::Socket::INET->new(
            LocalAddr => $ENV{HOST}, LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die $!;
        print "listening on $ENV{PORT} at $ENV{HOST} with $ENV{HMS_MESH_ADDR} as pid $$\\n";
        while (my $client = $server->accept) {
            my $line = <$client> // next;
            my ($path) = $line =~ m{ (\\S+) };
            while (defined($line = <$client>) && $line ne "\\r\\n") {}
            print "began $path\\n";
            sleep 1 if $path eq '/slow';
            my $body = $path eq '/slow' ? 'done' : 'hello';
            print "ended $path\\n";
            print $client "HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: " . length($body) . "\\r\\n\\r\\n$body";
            close $client;
        }

        """
}
