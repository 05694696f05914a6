import Mesh
import RegistryModel

/// What goes on and on to a page: news, and lines of access logs.
struct PageStreams: Sendable {
    /// One update of the page: what comes within it goes together.
    static let frame = Duration.milliseconds(50)
    /// After so long without news a line says that all is well, or finds that the page has gone.
    private static let silence = Duration.seconds(5)

    let model: DashboardModel
    let sidecars: SidecarFollower

    /// All that is known, then what changes, until the page goes.
    func news(to writer: EventStreamWriter) async throws {
        try await model.withNews { news in
            var revision: UInt64 = 0
            try await Self.forEach(news, writer) {
                if let document = model.news(since: &revision) { try await writer.send(document) }
            }
        }
    }

    func tail(_ filter: TailFilter, to writer: EventStreamWriter) async throws {
        let mailbox = TailMailbox()
        let follower = TailFollower(sidecars: sidecars, filter: filter, mailbox: mailbox)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await follower.run() }
            defer { group.cancelAll() }
            try await Self.forEach(mailbox.news, writer) {
                let (lines, skipped) = mailbox.takeAll()
                guard !lines.isEmpty || skipped > 0 else { return }
                try await writer.send(Self.document(lines, skipped))
            }
        }
    }

    private static func document(_ lines: [[UInt8]], _ skipped: Int) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: lines.reduce(64) { $0 + $1.count })
        json.beginObject()
        if skipped > 0 { json.member("skipped", skipped) }
        json.key("lines")
        json.beginArray()
        for line in lines { json.write(raw: line) }
        json.endArray()
        json.endObject()
        return json.bytes
    }

    /// Sends at once, then for each piece of news, never more often than once a frame.
    private static func forEach(
        _ news: AsyncStream<Void>,
        _ writer: EventStreamWriter,
        _ send: () async throws -> Void
    ) async throws {
        let (ticks, continuation) = AsyncStream<Bool>.makeStream(bufferingPolicy: .bufferingNewest(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in news { continuation.yield(true) }
            }
            group.addTask {
                repeat { continuation.yield(false) } while await Task.pause(for: silence)
            }
            defer { group.cancelAll() }
            try await send()
            for await isNews in ticks {
                if !isNews { try await writer.beat() }
                try await send()
                guard await Task.pause(for: frame) else { return }
            }
        }
    }
}
