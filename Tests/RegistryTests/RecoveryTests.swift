import EventLog
import Glibc
import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

/// Ends of a daemon's life and what the next one makes of them: always the same state.
@Suite("Starting again")
struct RecoveryTests {
    /// Something of each kind.
    private func fill(_ registry: ServiceRegistry) async throws {
        for index in 0..<20 { try await registry.register(try sampleInstance("a", "i\(index)"), .healthy) }
        let name = try ServiceName("a")
        for command in [
            Command.drain(try sampleKey("a", "i1"), ifMatch: nil), .deregister(try sampleKey("a", "i2"), ifMatch: nil),
            .setPolicy(name, MeshPolicy(retries: 3, ttlMilliseconds: 4_500_000)),
            .addExternal(try sampleExternal("ext")),
            .overrideGuard(.hold),
        ] {
            _ = try await registry.submit(command, actor: operatorActor)
        }
    }

    private func contentsAfterOpening(
        _ directory: String,
        telling told: Told = Told()
    ) async throws -> [String] {
        try await withRegistry(testOptions(directory), telling: told) { registry in
            #expect(registry.isProtecting)
            #expect(registry.instanceCount == 20)
            #expect(registry.leases.policy(of: try ServiceName("a"), terms: .inherited)?.ttl == .seconds(4_500))
            return try contents(of: registry.view)
        }
    }

    /// A data directory as a daemon leaves it: cleanly stopped, or as it was in the middle of its life.
    private func prepare(_ directory: String, cleanly: Bool) async throws -> (path: String, contents: [String]) {
        let (live, crashed) = (directory + "/live", directory + "/crashed")
        let before = try await withRegistry(testOptions(live)) { registry in
            try await fill(registry)
            if !cleanly { try copyTree(live, to: crashed) }
            return try contents(of: registry.view)
        }
        return (cleanly ? live : crashed, before)
    }

    @Test("the state is the same after a clean stop and after none", arguments: [true, false])
    func reopen(cleanly: Bool) async throws {
        try await withTemporaryDirectory { directory in
            let (path, before) = try await prepare(directory, cleanly: cleanly)
            let told = Told()
            #expect(try await contentsAfterOpening(path, telling: told) == before)
            #expect(!told.says("made anew"))
            let starts = try events(in: path).compactMap { event -> Bool? in
                if case .registryStarted(_, let clean) = event.kind { clean } else { nil }
            }
            #expect(starts == [true, cleanly])
        }
    }

    @Test("a view that was deleted is made anew and is the same", arguments: [true, false])
    func viewDeleted(cleanly: Bool) async throws {
        try await withTemporaryDirectory { directory in
            let (path, before) = try await prepare(directory, cleanly: cleanly)
            RegistryView.discard(directory: path + "/view/0")
            rmdir(path + "/view/0")
            let told = Told()
            #expect(try await contentsAfterOpening(path, telling: told) == before)
            #expect(told.says("the view is made anew from the log"))
        }
    }

    @Test("a view of an earlier time is caught up", arguments: [true, false])
    func viewBehind(cleanly: Bool) async throws {
        try await withTemporaryDirectory { directory in
            let (live, old) = (directory + "/live", directory + "/old")
            try await withRegistry(testOptions(live)) { registry in
                try await registry.register(try sampleInstance("b", "early"))
                if !cleanly { try copyTree(live, to: old) }
            }
            if cleanly { try copyTree(live, to: old) }
            let before = try await withRegistry(testOptions(live)) { registry in
                let leave = Command.deregister(try sampleKey("b", "early"), ifMatch: nil)
                _ = try await registry.submit(leave, actor: operatorActor)
                try await fill(registry)
                return try contents(of: registry.view)
            }
            for file in ["data.mdb", "mark"] {
                try writeFile(live + "/view/0/" + file, try readFile(old + "/view/0/" + file))
            }
            unlink(live + "/view/0/lock.mdb")
            let told = Told()
            #expect(try await contentsAfterOpening(live, telling: told) == before)
            #expect(!told.says("made anew"))
        }
    }

    @Test("a view that a power cut may have torn is neither believed nor opened")
    func powerCut() async throws {
        try await withTemporaryDirectory { directory in
            let (path, before) = try await prepare(directory, cleanly: false)
            var mark = try #require(ViewMark(directory: path + "/view/0"))
            mark.bootID = "an earlier boot"
            try mark.write(directory: path + "/view/0")
            // Torn so that LMDB itself would fall over it, and claiming what the log never had.
            var bytes = try readFile(path + "/view/0/data.mdb")
            for index in 8_192..<bytes.count { bytes[index] = 0xA5 }
            try writeFile(path + "/view/0/data.mdb", bytes)
            let offline = #expect(throws: RegistryError.self) { _ = try OfflineRegistry.open(dataDirectory: path) }
            #expect(offline?.message.contains("the machine went down while it was open") == true)
            let told = Told()
            #expect(try await contentsAfterOpening(path, telling: told) == before)
            #expect(told.says("the machine went down while it was open"))
        }
    }

    @Test("a view ahead of its log is damage of the log while its boot vouches for it")
    func viewAhead() async throws {
        try await withTemporaryDirectory { directory in
            let (path, _) = try await prepare(directory, cleanly: false)
            do {
                let view = try RegistryView.open(directory: path + "/view/0", access: .readWrite)
                try view.write { try $0.setApplied(SequenceNumber(1_000)) }
            }
            #expect(throws: (any Error).self) {
                _ = try ServiceRegistry.open(testOptions(path), notice: { _ in }, fatal: { _ in })
            }
            var mark = try #require(ViewMark(directory: path + "/view/0"))
            mark.bootID = "an earlier boot"
            try mark.write(directory: path + "/view/0")
            try await withRegistry(testOptions(path)) { registry in
                #expect(registry.instanceCount == 20)
            }
        }
    }

    @Test("a view that belongs to another log is made anew")
    func foreignView() async throws {
        try await withTemporaryDirectory { directory in
            let (path, before) = try await prepare(directory, cleanly: true)
            let other = directory + "/other"
            try await withRegistry(testOptions(other)) { registry in
                _ = try await registry.register(try sampleInstance("foreign", "f"))
            }
            for file in ["data.mdb", "mark"] {
                try writeFile(path + "/view/0/" + file, try readFile(other + "/view/0/" + file))
            }
            let told = Told()
            #expect(try await contentsAfterOpening(path, telling: told) == before)
            #expect(told.says("it belongs to another log"))
        }
    }

    @Test("a view that catches up while leases are kept makes them follow")
    func leasesFollow() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                try await registry.register(try sampleInstance("a", "b"), .healthy)
                try await registry.register(try sampleInstance("a", "gone"), .healthy)
                let key = try sampleKey("a", "gone")
                _ = try await registry.submit(.deregister(key, ifMatch: nil), actor: operatorActor)
                let behind = try RegistryView.open(directory: directory + "/behind", access: .readWrite)
                try behind.write { store in
                    store.bind(registryID: registry.registryID, epoch: registry.epoch, applied: .none)
                }
                let now = registry.monotonic()
                let leases = LeaseTable(defaults: .default, epoch: registry.epoch, now: now)
                try ViewCatchUp.run(behind, from: registry.log, hub: nil, leases: leases, now: now)
                #expect(leases.counts.leases == 1)
                let outcome = leases.beat(try sampleKey("a", "b"), reported: nil, ifMatch: nil, now: now)
                #expect(outcome == .alive(SequenceNumber(2)))
                #expect(try contents(of: behind) == contents(of: registry.view))
            }
        }
    }
}
