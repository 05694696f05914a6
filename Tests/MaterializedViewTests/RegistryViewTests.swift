import RegistryModel
import Synchronization
import TestSupport
import Testing

@testable import MaterializedView

@Suite("The view")
struct RegistryViewTests {
    @Test("a batch whose body or gate throws never happened")
    func abort() throws {
        struct Stop: Error {}
        try withView { view in
            #expect(throws: Stop.self) {
                try view.write { store in
                    try store.put(try sampleInstance("a", "b"), sampleState())
                    throw Stop()
                }
            }
            #expect(throws: Stop.self) {
                try view.write(
                    { store in try store.put(try sampleInstance("a", "c"), sampleState()) },
                    committing: { _ in throw Stop() }
                )
            }
            try view.write(
                { store in try store.put(try sampleInstance("a", "d"), sampleState()) },
                committing: { _ in }
            )
            #expect(try view.ids(of: "a").isEmpty)
            try view.write { store in try store.put(try sampleInstance("a", "e"), sampleState()) }
            #expect(try view.ids(of: "a") == ["e"])
        }
    }

    @Test("a reader sees the view as of its beginning, whatever is written meanwhile")
    func isolation() throws {
        let name = try ServiceName("a")
        try withView { view in
            try view.apply([registered(1, try sampleInstance("a", "b"))])
            try view.read { snapshot in
                try view.apply([registered(2, try sampleInstance("a", "c"))])
                let (count, totals) = (try snapshot.instances(of: name).count, try snapshot.totals)
                #expect(snapshot.sequence == SequenceNumber(1))
                #expect(count == 1)
                #expect(totals.health.total == 1)
            }
            try view.read { snapshot in
                let count = try snapshot.instances(of: name).count
                #expect(snapshot.sequence == SequenceNumber(2))
                #expect(count == 2)
            }
        }
    }

    @Test("services are listed in order, from where the last list ended")
    func pages() throws {
        try withView { view in
            let names = (0..<25).map { "s\($0)" }
            try view.apply(
                try names.enumerated().map { registered(UInt64($0.offset + 1), try sampleInstance($0.element, "i")) }
            )
            var seen: [String] = []
            var after: ServiceName?
            while true {
                let count = seen.count
                try view.read { snapshot in
                    try snapshot.forEachService(after: after, limit: 4) { service in
                        seen.append(service.name.description)
                        after = service.name
                    }
                }
                if seen.count == count { break }
            }
            #expect(seen == names.sorted())
            // Where the name itself is gone, the list goes on behind it.
            try view.read { snapshot in
                var first: String?
                try snapshot.forEachService(after: try ServiceName("s11x"), limit: 1) { first = "\($0.name)" }
                #expect(first == "s12")
            }
        }
    }

    @Test("many threads read while one writes: each sees whole batches, none goes back")
    func readers() throws {
        try withView { view in
            let finished = Atomic<Bool>(false)
            let failures = Mutex<[String]>([])
            let instances = try (0..<20).map { try sampleInstance("a", "i\($0)") }
            try view.apply(instances.enumerated().map { registered(UInt64($0.offset + 1), $0.element) })
            let threads = ReaderThreads(count: 70) {
                var last = SequenceNumber.none
                repeat {
                    do {
                        try view.read { snapshot in
                            // Each batch registers all anew with one version.
                            var versions: Set<String> = []
                            for (instance, _) in try snapshot.instances(of: try ServiceName("a")) {
                                versions.insert(instance.version)
                            }
                            if versions.count != 1 || snapshot.sequence < last {
                                failures.withLock { $0.append("\(versions) at \(snapshot.sequence) after \(last)") }
                            }
                            last = snapshot.sequence
                        }
                    } catch {
                        failures.withLock { $0.append("\(error)") }
                    }
                } while !finished.load(ordering: .relaxed)
            }
            var sequence: UInt64 = 20
            for round in 0..<20 {
                try view.apply(
                    instances.map { instance in
                        sequence += 1
                        var instance = instance
                        instance.version = "\(round)"
                        return registered(sequence, instance)
                    }
                )
            }
            finished.store(true, ordering: .relaxed)
            threads.join()
            #expect(failures.withLock { $0 } == [])
        }
    }

    @Test("a view is there again after it was closed, for a writer and for one that only reads")
    func reopening() throws {
        try withTemporaryDirectory { directory in
            for round in UInt64(1)...5 {
                let view = try makeView(directory + "/view")
                try view.apply([registered(round, try sampleInstance("a", "i\(round)"))])
                // Leaves a transaction in the pool, which must end before the environment does.
                #expect(try view.ids(of: "a").count == Int(round))
            }
            let view = try RegistryView.open(directory: directory + "/view", access: .readOnly)
            #expect(try view.ids(of: "a").count == 5)
            #expect(try view.identity()?.applied == SequenceNumber(5))
            #expect(throws: ViewError(.storage, "")) {
                try view.write { store in try store.put(try sampleInstance("a", "b"), sampleState()) }
            }
        }
    }

    @Test("there is nothing to read where there is no view")
    func missing() throws {
        try withTemporaryDirectory { directory in
            _ = #expect(throws: ViewError(.missing, "")) {
                _ = try RegistryView.open(directory: directory, access: .readOnly)
            }
        }
    }

    @Test("what is no view is refused, not read")
    func garbage() throws {
        try withTemporaryDirectory { directory in
            try writeFile(directory + "/data.mdb", [UInt8](repeating: 0x5A, count: 64 * 1_024))
            for access in [RegistryView.Access.readOnly, .readWrite] {
                #expect(throws: ViewError(.storage, "")) {
                    _ = try RegistryView.open(directory: directory, access: access)
                }
            }
        }
    }

    @Test("rows that are not ours make a read say that the view is suspect")
    func suspectRows() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/view"
            do {
                let view = try makeView(path)
                try view.apply([registered(1, try sampleInstance("a", "b"))])
            }
            try spoil(path, "instances", key: "a\0b")
            try spoil(path, "services", key: "a")
            do {
                let view = try makeView(path)
                #expect(throws: ViewError.suspect("")) { _ = try view.ids(of: "a") }
                #expect(throws: ViewError.suspect("")) {
                    try view.read { snapshot in _ = try snapshot.service(try ServiceName("a")) }
                }
                #expect(throws: ViewError.suspect("")) {
                    try view.write { store in _ = try store.state(of: try sampleKey("a", "b")) }
                }
            }
            try spoil(path, "meta", key: "identity")
            let view = try RegistryView.open(directory: path, access: .readOnly)
            #expect(throws: ViewError.suspect("")) { _ = try view.identity() }
        }
    }

    /// Puts bytes into a sub-database that nobody of ours would write.
    private func spoil(_ directory: String, _ database: String, key: String) throws {
        let environment = try LMDBEnvironment(
            directory: directory,
            isReadOnly: false,
            mapBytes: 1 << 30,
            maximumReaders: 16,
            databases: ViewSchema.databases
        )
        let transaction = try LMDBWriteTransaction(in: environment)
        let access = transaction.access
        let database = try access.open(database, creating: false)
        try ViewSchema.withKey(key) { key in
            try ViewSchema.withKey("garbage") { try access.put(database, key, $0) }
        }
        try transaction.commit()
        // The environment must outlive its transactions.
        withExtendedLifetime(environment) {}
    }

    @Test("a file that is over half free is compacted, and holds the same")
    func compaction() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/view"
            var before: [String] = []
            do {
                let view = try makeView(path)
                var events: [Event] = []
                for index in 0..<3_000 {
                    let instance = try sampleInstance("a", "i\(index)") { instance in
                        instance.metadata = [MetadataEntry(key: "k", value: String(repeating: "x", count: 2_000))]
                    }
                    events.append(registered(UInt64(index + 1), instance))
                }
                try view.apply(events)
                var sequence: UInt64 = 3_000
                try view.apply(
                    try (10..<3_000).map { index in
                        sequence += 1
                        return Event(
                            sequence: SequenceNumber(sequence),
                            time: .sample(9),
                            actor: nil,
                            kind: .instanceDeregistered(
                                try sampleKey("a", "i\(index)"),
                                handle: SequenceNumber(UInt64(index + 1)),
                                cause: .requested
                            )
                        )
                    }
                )
                before = try view.fragments(of: "a")
                #expect(before.count == 10)
            }
            let size = try readFile(path + "/data.mdb").count
            #expect(try RegistryView.compactIfHalfFree(directory: path))
            #expect(try readFile(path + "/data.mdb").count < size / 10)
            #expect(try RegistryView.compactIfHalfFree(directory: path) == false)
            let view = try makeView(path)
            #expect(try view.fragments(of: "a") == before)
            #expect(try view.identity()?.applied == SequenceNumber(5_990))
            #expect(try directoryEntries(path) == ["data.mdb", "lock.mdb"])
        }
    }

    @Test("a view that is discarded is gone, with its mark")
    func discard() throws {
        try withTemporaryDirectory { directory in
            do {
                let view = try makeView(directory)
                try view.apply([registered(1, try sampleInstance("a", "b"))])
                try ViewMark(isClean: true, sequence: .none, epoch: sampleEpoch, root: "0", directory: directory)
                    .write(directory: directory)
            }
            RegistryView.discard(directory: directory)
            #expect(try directoryEntries(directory) == [])
            #expect(try RegistryView.open(directory: directory, access: .readWrite).identity() == nil)
        }
    }
}
