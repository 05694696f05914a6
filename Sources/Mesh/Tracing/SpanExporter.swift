import NIOCore
import Synchronization

/// Sends spans to an OpenTelemetry collector, in the background: a collector that is slow, or away, costs spans, which are
/// counted, and no call anything.
final class SpanExporter: Sendable {
    /// How often a batch that the collector could not take for the moment is sent anew, and how long after.
    private static let retries = 2
    private static let retryWait = Duration.seconds(1)
    /// How long a collector may take for a batch.
    private static let timeout = TimeAmount.seconds(10)
    /// What is left is sent within this when the sidecar stops.
    private static let farewell = Duration.seconds(2)

    private struct State {
        var queue: [AccessRecord] = []
        var dropped: UInt64 = 0
        var exported: UInt64 = 0
    }

    private let configuration: TracingConfiguration
    private let batch: SpanBatch
    private let collector: CollectorClient
    private let state = Mutex(State())

    init(_ configuration: TracingConfiguration, resource: SpanBatch.Resource, loop: any EventLoop) {
        self.configuration = configuration
        batch = SpanBatch(resource: resource)
        collector = CollectorClient(configuration, loop: loop)
    }

    /// Requests that no span was sent of, and those that one was.
    var counts: (exported: UInt64, dropped: UInt64) { state.withLock { ($0.exported, $0.dropped) } }

    /// From any event loop. Never waits: beyond the queue's bound a request's spans are dropped.
    func offer(_ record: AccessRecord) {
        state.withLock { state in
            guard state.queue.count < configuration.queueSize else {
                state.dropped += 1
                return
            }
            state.queue.append(record)
        }
    }

    /// Until its task is cancelled.
    func run() async {
        while await Task.pause(for: configuration.interval) { await sendAll() }
    }

    /// Sends what is left, if that goes quickly.
    func finish() async {
        let sending = Task { await sendAll() }
        let limit = Task {
            if await Task.pause(for: Self.farewell) { sending.cancel() }
        }
        await sending.value
        limit.cancel()
        collector.close()
        state.withLock { state in
            state.dropped += UInt64(state.queue.count)
            state.queue.removeAll()
        }
    }

    private func sendAll() async {
        while !Task.isCancelled {
            let records = take()
            guard !records.isEmpty else { return }
            let isSent = await send(batch.json(records))
            let count = UInt64(records.count)
            state.withLock { if isSent { $0.exported += count } else { $0.dropped += count } }
        }
    }

    private func take() -> [AccessRecord] {
        state.withLock { state in
            let records = Array(state.queue.prefix(configuration.batchSize))
            state.queue.removeFirst(records.count)
            return records
        }
    }

    /// - Returns: whether the collector has it. A refusal is final, a word of being busy is not (OTLP/HTTP, "Failures").
    private func send(_ body: [UInt8]) async -> Bool {
        for attempt in 0...Self.retries {
            if attempt > 0, !(await Task.pause(for: Self.retryWait)) { return false }
            let status = await collector.post(body, timeout: Self.timeout)
            if let status, (200..<300).contains(status) { return true }
            if let status, ![429, 502, 503, 504].contains(status) { return false }
        }
        return false
    }
}
