import Foundation
import Mesh
import Synchronization
import TestSupport
import Testing

/// One root hands over to the next, under traffic.
@Suite("A change of roots")
struct MeshRotationTests {
    private func authority(_ fleet: MeshFleet) async throws -> JSONValue {
        try JSONValue(parsing: Array(try await fleet.registry.reg("ca", "show", "--json").output.utf8))
    }

    @Test("no call fails through a whole rotation, and who joins in the middle of it is believed")
    func rotation() async throws {
        try await MeshFleet.run(["--rotation-phase", "8s"]) { fleet in
            _ = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            #expect(try await caller.call("identity-check").status == 200)
            let before = try #require(try await authority(fleet)["root"]?["key_hash"]?.text)

            let begun = try await fleet.registry.reg("ca", "rotate", "--yes", "--json")
            #expect(begun.exitCode == 0, "\(begun.errors)")
            let overlap = try JSONValue(parsing: Array(begun.output.utf8))
            #expect(overlap["rotation"]?["phase"]?.text == "overlap")
            let next = try #require(overlap["rotation"]?["next"]?["key_hash"]?.text)
            #expect(next != before)
            #expect(overlap["pem"]?.text?.components(separatedBy: "BEGIN CERTIFICATE").count == 3)
            let second = try await fleet.registry.reg("ca", "rotate", "--yes")
            #expect(second.exitCode == 1)
            #expect(second.errors.contains("a rotation is under way"))
            let early = try await fleet.registry.reg("ca", "rotate", "--finish")
            #expect(early.exitCode == 1)
            #expect(early.errors.contains("the old root still signs"))

            let failures = Mutex<[String]>([])
            let calls = Mutex(0)
            let traffic = Task {
                while !Task.isCancelled {
                    // New connections too: a new context comes with each change.
                    let answer = try await caller.call("identity-check")
                    calls.withLock { $0 += 1 }
                    if answer.status != 200 { failures.withLock { $0.append(answer.text) } }
                    try await Task.sleep(for: .milliseconds(20))  // the pace of the traffic
                }
            }
            defer { traffic.cancel() }
            try await eventually("the new root to sign") {
                try await authority(fleet)["root"]?["key_hash"]?.text == next
            }
            let retiring = try await authority(fleet)
            #expect(retiring["rotation"]?["last"]?["key_hash"]?.text == before)
            // One that joins meanwhile gets its certificate of the new root, and is believed.
            let late = try await fleet.sidecar("passport-printer")
            #expect(try await late.call("identity-check").status == 200)
            try await eventually("the rotation to end") { try await authority(fleet)["rotation"] == nil }
            let after = try await authority(fleet)
            #expect(after["root"]?["key_hash"]?.text == next)
            #expect(after["pem"]?.text?.components(separatedBy: "BEGIN CERTIFICATE").count == 2)
            for _ in 0..<50 { #expect(try await caller.call("identity-check").status == 200) }
            #expect(failures.withLock { $0 } == [])
            #expect(calls.withLock { $0 } > 100)
        }
    }

    @Test("an intermediate of an agency's own root is handed over to; what is unfit is refused, with why")
    func installing() async throws {
        try await MeshFleet.run(["--rotation-phase", "1s"]) { fleet in
            let made = try runShell(
                """
                cd '\(fleet.directory)' && \
                openssl ecparam -genkey -name prime256v1 -noout -out root.key && \
                openssl req -x509 -new -key root.key -subj '/CN=Agency root' -days 3000 -out root.pem \
                  -addext 'keyUsage=critical,keyCertSign' && \
                openssl ecparam -genkey -name prime256v1 -noout -out sub.key && \
                openssl req -new -key sub.key -subj '/CN=Agency mesh' -out sub.csr && \
                printf 'basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign\\nsubjectKeyIdentifier=hash\\nauthorityKeyIdentifier=keyid' > ext && \
                openssl x509 -req -in sub.csr -CA root.pem -CAkey root.key -CAcreateserial -days 300 -extfile ext -out sub.pem && \
                openssl req -x509 -new -key sub.key -subj '/CN=No authority' -days 30 -out leaf.pem \
                  -addext 'basicConstraints=critical,CA:FALSE'
                """
            )
            #expect(made.status == 0, "\(made.output)")
            for (names, words) in [
                (["sub.pem", "sub.key"], "no root is among them"),
                (["sub.pem", "root.pem", "root.key"], "the key is not that of"),
                (["leaf.pem", "sub.key"], "no certificate authority"),
                (["sub.pem", "root.pem"], "one private key is due"),
            ] {
                let refused = try await fleet.registry.reg(
                    ["ca", "install"] + names.map { "\(fleet.directory)/\($0)" }
                )
                #expect(refused.exitCode == 1, "\(names)")
                #expect(refused.errors.contains(words), "\(refused.errors)")
            }
            #expect(try await authority(fleet)["rotation"] == nil)
            let installed = try await fleet.registry.reg(
                ["ca", "install"] + ["sub.pem", "sub.key", "root.pem"].map { "\(fleet.directory)/\($0)" }
            )
            #expect(installed.exitCode == 0, "\(installed.errors)")
            try await eventually("the agency's root to be the only one") {
                let now = try await authority(fleet)
                return now["rotation"] == nil && now["root"]?["subject"]?.text == "CN=Agency root"
            }
            #expect(try await authority(fleet)["issuer_renews_itself"] == .bool(false))
            _ = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            #expect(try await caller.call("identity-check").status == 200)
        }
    }
}
