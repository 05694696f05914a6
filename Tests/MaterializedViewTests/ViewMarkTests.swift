import RegistryModel
import TestSupport
import Testing

@testable import MaterializedView

@Suite("Whether a view can be used")
struct ViewMarkTests {
    private struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var because: String?
        var mark: @Sendable (inout ViewMark) -> Void = { _ in }
        var identity: @Sendable (inout ViewIdentity) -> Void = { _ in }
    }

    private static let cases: [Case] = [
        Case(testDescription: "closed cleanly", mark: { $0.isClean = true }),
        Case(testDescription: "running, same boot"),
        Case(testDescription: "behind the log", identity: { $0.applied = SequenceNumber(3) }),
        Case(
            testDescription: "closed cleanly, another boot",
            mark: {
                $0.isClean = true
                $0.bootID = "other"
            }
        ),
        Case(testDescription: "running, another boot", because: "went down", mark: { $0.bootID = "other" }),
        Case(
            testDescription: "another device, though clean",
            because: "another disk",
            mark: {
                $0.isClean = true
                $0.device &+= 1
            }
        ),
        Case(
            testDescription: "ahead of the log",
            because: "ahead of the log: 11 against 10",
            identity: { $0.applied = SequenceNumber(11) }
        ),
        Case(
            testDescription: "another epoch in the view",
            because: "another log",
            identity: { $0.epoch = Epoch(rawValue: 1) }
        ),
        Case(
            testDescription: "another epoch in the mark",
            because: "another log",
            mark: { $0.epoch = Epoch(rawValue: 1) }
        ),
        Case(
            testDescription: "another registry",
            because: "another log",
            identity: { $0.registryID = RegistryID(rawValue: 1) }
        ),
        Case(testDescription: "another layout", because: "it is of layout", identity: { $0.schema += 1 }),
    ]

    @Test(arguments: cases)
    private func rule(_ example: Case) throws {
        try withTemporaryDirectory { directory in
            var mark = ViewMark(
                isClean: false,
                sequence: SequenceNumber(10),
                epoch: sampleEpoch,
                root: "00",
                directory: directory
            )
            var identity = ViewIdentity(
                schema: ViewSchema.version,
                registryID: sampleRegistry,
                epoch: sampleEpoch,
                applied: SequenceNumber(10)
            )
            example.mark(&mark)
            example.identity(&identity)
            switch judge(mark, identity, directory) {
            case .usable(let through):
                #expect(example.because == nil)
                #expect(through == identity.applied)
            case .mustRebuild(let reason):
                let because = try #require(example.because)
                #expect(reason.contains(because))
            }
        }
    }

    @Test("without a mark, or with an empty view, it must be rebuilt")
    func nothingThere() throws {
        try withTemporaryDirectory { directory in
            let identity = ViewIdentity(
                schema: ViewSchema.version,
                registryID: sampleRegistry,
                epoch: sampleEpoch,
                applied: .none
            )
            #expect(judge(nil, identity, directory) == .mustRebuild(because: "it has no mark"))
            #expect(judge(nil, nil, directory) == .mustRebuild(because: "there is none yet"))
        }
    }

    @Test("a mark is read back as it was written", arguments: [true, false])
    func roundTrip(isClean: Bool) throws {
        try withTemporaryDirectory { directory in
            #expect(ViewMark(directory: directory) == nil)
            let mark = ViewMark(
                isClean: isClean,
                sequence: SequenceNumber(.max),
                epoch: sampleEpoch,
                root: "00ff",
                directory: directory
            )
            try mark.write(directory: directory)
            #expect(ViewMark(directory: directory) == mark)
            #expect(mark.bootID == ViewMark.currentBootID())
            #expect(try directoryEntries(directory) == ["mark"])
        }
    }

    @Test("a mark that is cut short or not ours is none")
    func hostile() throws {
        try withTemporaryDirectory { directory in
            try ViewMark(isClean: true, sequence: .none, epoch: sampleEpoch, root: "00", directory: directory)
                .write(directory: directory)
            let whole = try readFile(directory + "/mark")
            // All but the last line's content is needed.
            for count in 0..<(whole.count - 4) {
                try writeFile(directory + "/mark", Array(whole[..<count]))
                #expect(ViewMark(directory: directory) == nil)
            }
            try writeFile(directory + "/mark", [0xFF, 0xFE, 10])
            #expect(ViewMark(directory: directory) == nil)
        }
    }

    private func judge(_ mark: ViewMark?, _ identity: ViewIdentity?, _ directory: String) -> ViewMark.Verdict {
        ViewMark.judge(
            mark,
            identity,
            log: ViewMark.LogPosition(registryID: sampleRegistry, epoch: sampleEpoch, last: SequenceNumber(10)),
            directory: directory
        )
    }
}
