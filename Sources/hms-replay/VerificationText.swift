import EventLog
import OpenSSLCrypto
import RegistryModel
import Replay
import Terminal

/// A verification for people, worded so that a lawyer can read it, and as JSON.
struct VerificationText {
    private let result: LogVerification
    private let style: Style
    private let symbols: Symbols
    private let named: String

    /// Of the damage that is listed; the number is always said.
    private static let problemsShown = 50

    init(_ result: LogVerification, _ output: Output, _ named: String) {
        self.result = result
        style = output.style
        symbols = output.symbols
        self.named = named
    }

    var rendered: String {
        var lines = result.verdict == .damaged ? problemLines : goodLines
        if let torn = result.summary.torn {
            lines.append(
                warning(
                    "end",
                    "\(torn.what) at offset \(HumanText.count(torn.offset)): nobody was told that they are durable"
                )
            )
        }
        for restore in result.restores {
            let lost =
                restore.record.lastKnownLost > restore.record.sequence
                ? ", \(restore.record.lastKnownLost) was the last known then" : ""
            lines.append(
                warning(
                    "restore",
                    "at \(restore.event.time.utcText) by \(restore.event.actorText): history goes on behind \(restore.record.sequence)\(lost)"
                )
            )
        }
        lines += verdictLines
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: What was looked at

    private var goodLines: [String] {
        let summary = result.summary
        var lines = [
            good(
                "segments",
                "\(summary.segments.count) \(symbols.separator) \(HumanText.count(summary.batches)) batches "
                    + "\(symbols.separator) lengths, checksums, sequences and times in order"
            ),
            good(
                "heartbeats",
                "\(HumanText.count(result.heartbeats.read)) read \(symbols.separator) "
                    + "\(HumanText.counted(result.heartbeats.thinnedSegments, "segment")) thinned"
            ),
        ]
        if summary.first.rawValue > 1 {
            lines.append(warning("history", "before \(summary.first) is not held here, proved by frontier"))
        }
        if let root = summary.root { lines.append(good("Merkle root", Base64.encode(root.bytes))) }
        if let key = result.keys.last {
            lines.append(
                good(
                    "signatures",
                    "\(HumanText.counted(result.checkpoints, "checkpoint")) by \(key.short), each follows from the last"
                )
            )
            lines.append(
                result.comparesStates
                    ? good("state", "\(HumanText.counted(result.digests, "digest")) reproduced by replay")
                    : warning("state", "not compared with the events")
            )
        } else {
            lines.append(warning("signatures", "none on record yet"))
        }
        return lines + anchorLines
    }

    private var anchorLines: [String] {
        var lines: [String] = []
        for anchor in result.anchors {
            switch anchor.standing {
            case .holds(let time):
                lines.append(
                    good(
                        "anchor",
                        "your note of \(time.utcText) (size \(HumanText.count(anchor.size.rawValue))) is a prefix of this log"
                    )
                )
            case .setAside(let restore):
                lines.append(
                    warning(
                        "anchor",
                        "your note of size \(HumanText.count(anchor.size.rawValue)) was set aside by \(restore)"
                    )
                )
            case .contradicts: continue
            }
        }
        if result.isKeyTrusted, result.lastCheckpoint != nil {
            lines.append(good("key", "every checkpoint is signed by the key that you kept"))
        }
        if !result.isAnchored {
            lines.append(
                warning("anchor", "none given: who holds this registry's key could have rewritten all of it")
            )
        }
        return lines
    }

    // MARK: Damage

    private var problemLines: [String] {
        var lines: [String] = []
        for problem in result.problems.prefix(Self.problemsShown) {
            var place = problem.path
            if let offset = problem.offset { place += "  offset \(HumanText.count(offset))" }
            if let sequence = problem.sequence {
                place += problem.offset == nil ? "  event \(sequence)" : "  batch of \(sequence)"
            }
            lines.append("\(style.red(symbols.wrong)) \(place)")
            lines.append("  " + problem.what)
        }
        let rest = result.problems.count - Self.problemsShown
        if rest > 0 { lines.append("  and \(HumanText.counted(UInt64(rest), "more")): --json lists all") }
        return lines
    }

    // MARK: The verdict

    private var verdictLines: [String] {
        switch result.verdict {
        case .intact: intactLines
        case .consistent:
            [
                style.bold(style.yellow("CONSISTENT, NOT ANCHORED."))
                    + " Give a --checkpoint and --key that you kept elsewhere."
            ]
        case .damaged: damagedLines
        }
    }

    private var intactLines: [String] {
        let verdict = style.bold(style.green("INTACT."))
        let end = result.summary.lastTime.map { ", to \($0.utcText)," } ?? ""
        if let time = result.anchorTime {
            return [
                "\(verdict) Nothing before \(time.utcText) was changed, cut or reordered since you",
                "kept that note. Later events\(end) rest on the registry's signature alone.",
            ]
        }
        let signed = result.lastCheckpoint.map { "\($0.size)" } ?? "-"
        return [
            "\(verdict) Everything through event \(signed) is signed by the key that you kept: nobody without",
            "that key changed, cut or reordered it. A --checkpoint that you kept tells about the key's holder too.",
        ]
    }

    private var damagedLines: [String] {
        let places = HumanText.counted(UInt64(result.problems.count), "place")
        let summary = result.summary
        let intact =
            summary.intactThrough >= summary.first && summary.first > .none
            ? "\(summary.first) to \(summary.intactThrough) is sound in itself; nothing after it is proven."
            : "Nothing is proven."
        var lines = [
            style.bold(style.red("DAMAGED")) + " in \(places)."
                + (summary.findings.isEmpty ? " What was signed and what is here differ." : " \(intact)")
        ]
        if !summary.findings.isEmpty {
            lines.append(
                "\(symbols.next) hms-reg snapshot list \(named)     then restore FILE --data NEW --until \(summary.intactThrough)"
            )
        }
        return lines
    }

    private func good(_ what: String, _ text: String) -> String {
        "\(style.green(symbols.done)) \(Self.padded(what))\(text)"
    }

    private func warning(_ what: String, _ text: String) -> String {
        "\(style.yellow(symbols.warning)) \(Self.padded(what))\(text)"
    }

    private static func padded(_ what: String) -> String {
        what + String(repeating: " ", count: max(1, 12 - what.count))
    }
}

extension VerificationText {
    static func json(_ result: LogVerification) -> [UInt8] {
        let summary = result.summary
        var json = JSONWriter(reservingCapacity: 1_024)
        json.beginObject()
        json.member("verdict", result.verdict.rawValue)
        json.member("anchored", result.isAnchored)
        json.member("first_sequence", summary.first.rawValue)
        json.member("last_sequence", summary.last.rawValue)
        json.member("intact_through", summary.intactThrough.rawValue)
        if let first = summary.firstTime { json.member("first_time", first) }
        if let last = summary.lastTime { json.member("last_time", last) }
        json.member("segments", summary.segments.count)
        json.member("batches", summary.batches)
        json.member("events", summary.events)
        json.member("raw_bytes", summary.rawBytes)
        json.member("heartbeats", result.heartbeats.read)
        json.member("thinned_segments", result.heartbeats.thinnedSegments)
        if let root = summary.root { json.member("root", Base64.encode(root.bytes)) }
        json.member("keys", result.keys.map { "\($0)" })
        json.member("checkpoints", result.checkpoints)
        json.member("states_compared", result.comparesStates)
        json.member("state_digests", result.digests)
        if let last = result.lastCheckpoint { json.member("signed_through", last.size.rawValue) }
        json.member("half_written_end", summary.torn != nil)
        json.key("anchors")
        json.beginArray()
        for anchor in result.anchors { write(anchor, to: &json) }
        json.endArray()
        json.key("problems")
        json.beginArray()
        for problem in result.problems {
            json.beginObject()
            json.member("path", problem.path)
            if let offset = problem.offset { json.member("offset", offset) }
            if let sequence = problem.sequence { json.member("sequence", sequence.rawValue) }
            json.member("what", problem.what)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }

    private static func write(_ anchor: LogVerification.Anchor, to json: inout JSONWriter) {
        json.beginObject()
        json.member("path", anchor.path)
        json.member("size", anchor.size.rawValue)
        switch anchor.standing {
        case .holds(let time):
            json.member("standing", "holds")
            json.member("time", time)
        case .contradicts(let why):
            json.member("standing", "contradicts")
            json.member("why", why)
        case .setAside(let why):
            json.member("standing", "set-aside")
            json.member("why", why)
        }
        json.endObject()
    }
}
