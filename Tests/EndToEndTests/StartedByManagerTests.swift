import Foundation
import TestSupport
import Testing

/// Programs under a service manager, which here is the test.
@Suite("Started by a service manager")
struct StartedByManagerTests {
    @Test("the daemon says that it is ready once it is, that it lives while it does, and that it stops")
    func daemon() async throws {
        try await withTemporaryDirectory { directory in
            let notify = try NotifySocket(directory + "/notify")
            let program = try RunningProgram(
                "hms-regd",
                ["--data", directory + "/data", "--socket", "none", "--listen", "127.0.0.1:0", "--reserve", "0"],
                environment: ["NOTIFY_SOCKET": directory + "/notify", "WATCHDOG_USEC": "300000"],
                logTo: directory,
                label: "regd"
            )
            var messages = [notify.next() ?? "", notify.next() ?? ""]
            let ready = try #require(messages.first { $0.hasPrefix("READY=1\n") })
            #expect(ready.contains("STATUS=serving at 127.0.0.1:"))
            try await eventually("the line on its output") { program.output.hasPrefix("HMS-REG ready at ") }
            messages += [notify.next() ?? "", notify.next() ?? ""]
            #expect(messages.count { $0 == "WATCHDOG=1" } == 3)
            // What hangs says nothing.
            kill(program.pid, SIGSTOP)
            while notify.next(within: 1) != nil {}
            kill(program.pid, SIGCONT)
            #expect(notify.next() == "WATCHDOG=1")
            kill(program.pid, SIGTERM)
            var last = notify.next() ?? ""
            while last == "WATCHDOG=1" { last = notify.next() ?? "" }
            #expect(last.hasPrefix("STOPPING=1\n"))
            #expect(try await program.exitCode() == 0)
        }
    }

    @Test("a sidecar says so too, and its application hears nothing of the manager")
    func sidecar() async throws {
        try await MeshFleet.run { fleet in
            let notify = try NotifySocket(fleet.directory + "/notify")
            let seen = fleet.directory + "/environment"
            let sidecar = try await fleet.sidecar(
                "passport-office",
                options: ["--", "/bin/sh", "-c", "env > \(seen).new; mv \(seen).new \(seen); exec sleep 600"],
                environment: ["NOTIFY_SOCKET": fleet.directory + "/notify", "WATCHDOG_USEC": "300000"]
            )
            let ready = notify.next() ?? ""
            #expect(ready == "READY=1\nSTATUS=calls are taken at \(sidecar.outbound)")
            #expect(notify.next() == "WATCHDOG=1")
            #expect(notify.next() == "WATCHDOG=1")
            try await eventually("the application's environment") { FileManager.default.fileExists(atPath: seen) }
            let environment = String(decoding: try readFile(seen), as: UTF8.self)
            #expect(environment.contains("HMS_MESH_ADDR="))
            #expect(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG_USEC"))
            kill(sidecar.program.pid, SIGTERM)
            var last = notify.next() ?? ""
            while last == "WATCHDOG=1" { last = notify.next() ?? "" }
            #expect(last.hasPrefix("STOPPING=1\n"))
        }
    }
}
