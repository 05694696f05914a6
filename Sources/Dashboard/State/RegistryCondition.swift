import RegistryClient
import RegistryModel

/// How the registry itself is, as far as it can be asked.
struct RegistryCondition: Sendable {
    /// A second of its life, for charts.
    struct Sample: Sendable {
        var time: Timestamp
        var sequence: UInt64
        var heartbeatsPerSecond: Double
        var lookupsPerSecond: Double
        var fsyncP99Milliseconds: Double
        var subscribers: UInt64
    }

    /// Five minutes of them.
    static let mostSamples = 300

    var address: String
    var isWatching = false
    /// Why the watch ended, while there is none.
    var watchFailure: String?
    /// `GET /v1/status` as it came; nil until it did.
    var status: [UInt8]?
    /// Why the status can't be had.
    var statusFailure: String?
    /// The newest signed root: origin, size and hash; nil where there is none, or it can't be read.
    var checkpoint: (origin: String, size: UInt64, root: String)?
    private(set) var samples: [Sample] = []

    init(address: String) {
        self.address = address
    }

    mutating func take(_ report: RegistryStatusReport, document: [UInt8], now: Timestamp) {
        // A line of an event stream: JSON has line feeds between its values alone.
        status = document.map { $0 < 0x20 ? 0x20 : $0 }
        statusFailure = nil
        samples.append(
            Sample(
                time: report.time ?? now,
                sequence: report.sequence.rawValue,
                heartbeatsPerSecond: report.heartbeatsPerSecond,
                lookupsPerSecond: report.lookupsPerSecond,
                fsyncP99Milliseconds: report.fsyncP99Milliseconds,
                subscribers: report.subscribers
            )
        )
        if samples.count > Self.mostSamples { samples.removeFirst(samples.count - Self.mostSamples) }
    }

    /// The first lines of a signed note: origin, size, root (C2SP tlog-checkpoint).
    mutating func take(checkpoint note: String?) {
        guard let lines = note?.split(separator: "\n", omittingEmptySubsequences: false), lines.count > 3,
            let size = UInt64(lines[1])
        else {
            checkpoint = nil
            return
        }
        checkpoint = (String(lines[0]), size, String(lines[2]))
    }

    /// - Parameter all: with every sample, not only the newest.
    func write(all: Bool, to json: inout JSONWriter) {
        json.beginObject()
        json.member("address", address)
        json.member("watching", isWatching)
        if let watchFailure { json.member("failure", watchFailure) }
        if let status {
            json.key("status")
            json.write(raw: status)
        }
        if let statusFailure { json.member("statusFailure", statusFailure) }
        if let checkpoint {
            json.key("checkpoint")
            json.beginObject()
            json.member("origin", checkpoint.origin)
            json.member("size", checkpoint.size)
            json.member("root", checkpoint.root)
            json.endObject()
        }
        json.key("samples")
        json.beginArray()
        for sample in all ? samples[...] : samples.suffix(1) { sample.write(to: &json) }
        json.endArray()
        json.endObject()
    }
}

extension RegistryCondition.Sample {
    /// `[time, sequence, beats/s, look-ups/s, fsync ms, subscribers]`
    fileprivate func write(to json: inout JSONWriter) {
        json.beginArray()
        json.write(time.milliseconds)
        json.write(sequence)
        for value in [heartbeatsPerSecond, lookupsPerSecond, fsyncP99Milliseconds] {
            json.write((value * 1_000).rounded() / 1_000)
        }
        json.write(subscribers)
        json.endArray()
    }
}
