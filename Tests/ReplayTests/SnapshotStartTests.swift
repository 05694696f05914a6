import EventLog
import MaterializedView
import RegistryModel
import Replay
import TestSupport
import Testing

@Suite("Time travel from snapshots")
struct SnapshotStartTests {
    /// A history with a snapshot now and then.
    private func history(in directory: String, seed: UInt64) throws -> SeededHistory {
        var history = try SeededHistory(directory, seed: seed)
        for round in 1...24 {
            try history.goOn()
            if round.isMultiple(of: 7) { try history.takeSnapshot() }
        }
        try history.close()
        return history
    }

    private func moments(_ last: SequenceNumber) -> [Moment] {
        stride(from: 1, through: last.rawValue, by: 17).map { .sequence(SequenceNumber($0)) } + [.now]
    }

    /// Everything that an answer says, and what a reader of it must know.
    private func told(_ moment: Moment, _ source: AuditSource) throws -> (text: [String], StateReconstruction) {
        let state = try StateReconstruction.at(try moment.resolve(in: source), in: source)
        var json = JSONWriter()
        state.write(to: &json)
        var text = [json.string]
        text += state.store.serviceNames.map { "\(String(describing: state.store.service($0)))" }
        text += state.remarks.map { "\($0.sequence)" }
        text += ["\(state.store.registry())", "\(state.store.certificates)", "\(state.store.tokens)"]
        text += ["\(state.store.revocations)"]
        for name in ["billing", "ledger", "mail", "nobody"] {
            let explanation = try RoutingExplanation.of(try ServiceName(name), at: state.position, in: source)
            text += explanation.lines.map { "\(name) \($0)" } + ["\(explanation.afterwards)", "\(explanation.policy)"]
        }
        return (text, state)
    }

    @Test(
        "every moment is told the same from the nearest snapshot as from the first event",
        arguments: [1, 2, 3, 4] as [UInt64]
    )
    func sameAnswers(seed: UInt64) throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let history = try history(in: directory, seed: seed)
            var begun: Set<String> = []
            for moment in moments(history.last) {
                let (expected, _) = try told(moment, try history.plain())
                let (found, state) = try told(moment, try history.source())
                #expect(found == expected, "seed \(seed), \(moment)")
                #expect(state.warnings == [])
                if let snapshot = state.snapshot { begun.insert(snapshot) }
            }
            #expect(begun == Set(history.snapshots))
            #expect(try LogVerification.run(try history.source()).problems == [])
        }
    }

    @Test("a snapshot that is damaged costs a warning, never a wrong answer", arguments: [5, 6] as [UInt64])
    func damage(seed: UInt64) throws {
        var random = SeededGenerator(usual: seed)
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let history = try history(in: directory, seed: seed)
            let newest = try #require(history.snapshots.last)
            let whole = try readFile(newest)
            let (expected, _) = try told(.now, try history.plain())
            var warned = 0
            for round in 0..<15 {
                var spoiled = random.flippingOneBit(of: whole)
                if round % 3 == 0 { spoiled = Array(whole[..<random.below(whole.count)]) }
                try writeFile(newest, spoiled)
                let (found, state) = try told(.now, try history.source())
                #expect(found == expected, "seed \(random.seed), round \(round)")
                #expect(state.snapshot != newest || state.warnings == [])
                if state.snapshot != newest {
                    warned += 1
                    #expect(state.warnings.count == 1 && state.warnings.allSatisfy { $0.contains(newest) })
                    #expect(state.snapshot == history.snapshots.dropLast().last)
                }
            }
            #expect(warned > 0)
        }
    }

    @Test("a snapshot that is whole in itself, but not the one on record, is not believed")
    func forged() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let history = try history(in: directory + "/a", seed: 7)
            let newest = try #require(history.snapshots.last)
            // Of the same registry by its name, and of about as long a history.
            var other = try SeededHistory(directory + "/b", seed: 8)
            while other.last < history.last { try other.goOn() }
            let forged = directory + "/b/data/snapshots/forged.tar.zst"
            let view = try RegistryView.open(directory: other.data + "/view/0", access: .readOnly)
            let manifest = try SnapshotArchive.write(to: forged, view: view, dataDirectory: other.data)
            try writeFile(newest, try readFile(forged))
            let moment = Moment.sequence(min(history.last, max(manifest.sequence, SequenceNumber(1))))
            let (found, state) = try told(moment, try history.source())
            #expect(found == (try told(moment, try history.plain())).text)
            #expect(state.snapshot != newest)
        }
    }

    @Test("a limit holds for the events behind the snapshot, not for the whole log")
    func limit() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let history = try history(in: directory, seed: 9)
            let position = try Moment.now.resolve(in: try history.source())
            _ = try StateReconstruction.at(position, in: try history.source(), atMost: position.sequence.rawValue / 2)
            #expect(throws: ReplayError.self) {
                _ = try StateReconstruction.at(
                    position,
                    in: try history.plain(),
                    atMost: position.sequence.rawValue / 2
                )
            }
        }
    }

    @Test("a restore takes the newest snapshot in a directory that is whole and early enough")
    func restore() throws {
        try withTemporaryDirectory(in: memoryDirectory) { directory in
            let history = try history(in: directory, seed: 10)
            let manifests = try history.snapshots.map { try SnapshotArchive.inspect($0) }
            let until = manifests[2].sequence
            try writeFile(history.snapshots[2], Array(try readFile(history.snapshots[2]).dropLast(9)))
            let restored = try SnapshotRestore.run(
                history.data + "/snapshots",
                to: directory + "/restored",
                newer: try history.source(),
                until: .sequence(until),
                epoch: Epoch(rawValue: 77),
                actor: Actor(.uid(7)),
                now: .sample(99_999_999)
            )
            #expect(restored.snapshot == history.snapshots[1] && restored.fork == until)
            #expect(restored.warnings.count == 1)
            let (expected, _) = try told(.sequence(until), try history.plain())
            let (found, _) = try told(.sequence(until), try AuditSource(dataDirectory: directory + "/restored"))
            // What came next is another history's.
            #expect(found.filter { !$0.contains("after:") } == expected.filter { !$0.contains("after:") })
            #expect(throws: ReplayError.self) {
                _ = try SnapshotRestore.run(
                    history.data + "/snapshots",
                    to: directory + "/other",
                    newer: try history.source(),
                    until: .sequence(SequenceNumber(1)),
                    epoch: Epoch(rawValue: 78),
                    actor: Actor(.uid(7)),
                    now: .sample(99_999_999)
                )
            }
        }
    }
}
