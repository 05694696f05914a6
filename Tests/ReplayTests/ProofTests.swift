import EventLog
import OpenSSLCrypto
import Registry
import RegistryModel
import Replay
import TestSupport
import Testing

/// Proofs are judged by a program that shares no code with the tree: a script of Python's standard library, and
/// `openssl pkeyutl` for the signature.
@Suite("Proofs")
struct ProofTests {
    private static let hashing = """
        import base64, hashlib, json, sys
        H = lambda b: hashlib.sha256(b).digest()
        leaf = lambda b: H(b"\\0" + b)
        node = lambda l, r: H(b"\\1" + l + r)
        def root(d):
            if len(d) == 0: return H(b"")
            if len(d) == 1: return d[0]
            k = 1
            while k * 2 < len(d): k *= 2
            return node(root(d[:k]), root(d[k:]))
        def up(index, size, h, path):
            # RFC 6962 2.1.1 read from the top: the last hash of the path is the largest subtree's.
            if size == 1:
                assert not path
                return h
            k = 1
            while k * 2 < size: k *= 2
            if index < k: return node(up(index, k, h, path[:-1]), path[-1])
            return node(path[-1], up(index - k, size - k, h, path[:-1]))
        def note(text):
            lines = text.split("\\n")
            return int(lines[1]), base64.b64decode(lines[2])
        """

    private func judge(_ script: String, in directory: String) throws {
        try writeFile(directory + "/judge.py", Array((Self.hashing + "\n" + script).utf8))
        let verdict = try runShell("cd \(directory) && python3 judge.py")
        #expect(verdict.status == 0, "\(verdict.output)")
    }

    private var hasPython: Bool {
        get throws { try runShell("command -v python3").status == 0 }
    }

    @Test("every event's proof leads from its bytes to the signed root")
    func inclusion() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            let source = try history.source()
            let last = try source.logReader().lastSequence.rawValue
            for sequence in [1, 2, 7, 20, last - 2] as [UInt64] {
                let proof = try HistoryProof.inclusion(of: SequenceNumber(sequence), in: source)
                try writeFile(directory + "/proof-\(sequence)", Array(proof.utf8))
                let note = try SignedNote(
                    parsing: String(try #require(proof.split(separator: "\n\n", maxSplits: 1).last))
                )
                #expect(note.isSigned(by: try history.trusted()))
            }
            #expect(throws: ReplayError.self) {
                _ = try HistoryProof.inclusion(of: SequenceNumber(last + 1), in: source)
            }
            guard try hasPython else { return }
            try judge(
                """
                import glob
                for name in glob.glob("proof-*"):
                    head, rest = open(name).read().split("\\n\\n", 1)
                    lines = head.split("\\n")
                    assert lines[0] == "c2sp.org/tlog-proof@v1"
                    event = base64.b64decode(lines[1].split()[1])
                    index = int(lines[2].split()[1])
                    assert index == int(name.split("-")[1]) - 1
                    size, signed = note(rest)
                    assert up(index, size, leaf(event), [base64.b64decode(h) for h in lines[3:]]) == signed
                    assert event[0] == 8 and event[1] == index + 1, "its first field is its sequence"
                """,
                in: directory
            )
        }
    }

    @Test("the log of a kept checkpoint is proved a prefix, and another registry's is not")
    func consistency() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            let proof = try HistoryProof.consistency(from: history.note, in: try history.source())
            try writeFile(directory + "/proof", Array(proof.utf8))
            let other = try await RecordedHistory.record(in: directory + "/other")
            #expect(throws: ReplayError.self) {
                _ = try HistoryProof.consistency(from: other.note, in: try history.source())
            }
            guard try hasPython else { return }
            try judge(
                """
                head, notes = open("proof").read().split("\\n\\n", 1)
                lines = head.split("\\n")
                bodies = [part for part in notes.split("\\n\\n")]
                assert lines[0] == "hms consistency proof v1"
                # body, signature and an empty line and the next body, signature
                old, oldroot = note(bodies[0])
                size, newroot = note(bodies[2])
                assert lines[1] == "old %d" % old and 0 < old < size
                def sub(m, n, path, whole):
                    if m == n:
                        assert len(path) == (0 if whole else 1)
                        return (oldroot, oldroot) if whole else (path[0], path[0])
                    k = 1
                    while k * 2 < n: k *= 2
                    if m <= k:
                        o, w = sub(m, k, path[:-1], whole)
                        return o, node(w, path[-1])
                    o, w = sub(m - k, n - k, path[:-1], False)
                    return node(path[-1], o), node(path[-1], w)
                assert sub(old, size, [base64.b64decode(h) for h in lines[2:]], True) == (oldroot, newroot)
                """,
                in: directory
            )
        }
    }

    @Test("a stranger checks a past state by hashing what the evidence holds")
    func evidence() async throws {
        try await withTemporaryDirectory { directory in
            let history = try await RecordedHistory.record(in: directory)
            let source = try history.source()
            let position = try Moment.sequence(SequenceNumber(25)).resolve(in: source)
            try writeFile(directory + "/evidence.json", try StateEvidence.document(of: position, in: source))
            #expect(throws: ReplayError.self) {
                let early = try Moment.sequence(SequenceNumber(3)).resolve(in: source)
                _ = try StateEvidence.document(of: early, in: source)
            }
            guard try hasPython else { return }
            try judge(
                """
                e = json.load(open("evidence.json"))
                d = base64.b64decode
                assert e["format"] == "hms-state-evidence-1" and e["base_size"] <= e["asked_sequence"] == 25
                slots = [H(b"".join(d(r) for r in e["records"].get(str(i), []))) for i in range(1024)]
                digest = H(b"".join(slots))
                assert digest == d(e["state_digest"])
                size = e["base_size"]
                widths = [1 << i for i in range(63, -1, -1) if size >> i & 1]
                stack = list(zip(widths, map(d, e["frontier"])))
                assert len(widths) == len(e["frontier"])
                for event in e["events"]:
                    width, h = 1, leaf(d(event))
                    while stack and stack[-1][0] == width:
                        h = node(stack.pop()[1], h)
                        width *= 2
                    stack.append((width, h))
                h = stack.pop()[1]
                while stack: h = node(stack.pop()[1], h)
                signed, root = note(e["checkpoint"])
                assert signed == size + len(e["events"]) and root == h
                assert any(digest in d(event) for event in e["events"]), "the earlier checkpoint names that digest"
                """,
                in: directory
            )
            let note = try #require(
                try JSONValue(parsing: try readFile(directory + "/evidence.json"))["checkpoint"]?.text
            )
            #expect(try SignedNote(parsing: note).isSigned(by: try history.trusted()))
        }
    }
}
