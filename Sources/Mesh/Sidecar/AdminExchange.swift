import NIOCore
import RegistryModel

/// One question to a sidecar itself: by its admin socket, or by `hms-admin/1` at its inbound door.
final class AdminExchange: RequestSink {
    private let path: Substring
    private let query: Substring
    private let isGet: Bool
    private let writer: any ResponseWriter
    private let answers: AdminListener.Answers
    private let loop: any EventLoop
    private var tail: Int?
    private var isTellingFigures = false
    private var skipped = 0
    /// Whoever asked has gone.
    private var isOver = false

    init(_ head: RequestHead, _ writer: any ResponseWriter, _ answers: AdminListener.Answers, loop: any EventLoop) {
        let target = head.block.text(head.target)
        path = target.prefix { $0 != "?" }
        query = target.dropFirst(path.count + 1)
        isGet = head.block.equals(head.method, "GET")
        self.writer = writer
        self.answers = answers
        self.loop = loop
    }

    func start() {
        guard isGet else { return answer(405, "text/plain", Array("only GET is answered here\n".utf8)) }
        guard let admit = answers.admit else { return answer() }
        guard RemoteAdmin.paths.contains(String(path)) else {
            return refuse(
                RemoteAdmin.Refused(status: 404, message: "from elsewhere there are /tail, /metrics and /figures")
            )
        }
        let bound = NIOLoopBound(self, eventLoop: loop)
        let target = query.isEmpty ? String(path) : "\(path)?\(query)"
        let promise = loop.makePromise(of: Void.self)
        promise.completeWithTask { try await admit(target) }
        promise.futureResult.whenComplete { result in
            switch result {
            case .success: bound.value.answer()
            case .failure(let error):
                let refused = error as? RemoteAdmin.Refused
                bound.value.refuse(refused ?? RemoteAdmin.Refused(status: 500, message: "\(error)"))
            }
        }
    }

    func refuse(_ refused: RemoteAdmin.Refused) {
        answer(refused.status, "text/plain", Array((refused.message + "\n").utf8))
    }

    private func answer() {
        guard !isOver else { return }
        switch path {
        case "/status": compute("application/json") { try await $0.status() }
        case "/metrics": compute("text/plain; version=0.0.4") { Array(try await $0.metrics().utf8) }
        case "/healthz": answer(200, "text/plain", Array("ok\n".utf8))
        case "/readyz":
            compute("text/plain", okay: "ready\n") { Array((await $0.isHealthy() ? "ready\n" : "not ready\n").utf8) }
        case "/tail": followLog()
        case "/figures": tellFigures()
        default:
            let there = "there are /status, /metrics, /figures, /healthz, /readyz and /tail\n"
            answer(404, "text/plain", Array(there.utf8))
        }
    }

    /// - Parameter okay: the one body that is said with 200, others with 503; nil: all are.
    private func compute(
        _ type: String,
        okay: String? = nil,
        _ body: @escaping @Sendable (AdminListener.Answers) async throws -> [UInt8]
    ) {
        let answers = answers
        let bound = NIOLoopBound(self, eventLoop: loop)
        let promise = loop.makePromise(of: [UInt8].self)
        promise.completeWithTask { try await body(answers) }
        promise.futureResult.whenComplete { result in
            switch result {
            case .success(let bytes):
                let isOkay = okay.map { Array($0.utf8) == bytes } ?? true
                bound.value.answer(isOkay ? 200 : 503, type, bytes)
            case .failure(let error): bound.value.answer(500, "text/plain", Array("\(error)\n".utf8))
            }
        }
    }

    private func answer(_ status: Int, _ type: String, _ body: [UInt8]) {
        var block = FieldBlock()
        block.append("content-type", type, .contentType)
        block.append("content-length", String(body.count), .contentLength)
        writer.write(
            head: ResponseHead(block: block, status: status, framing: .length(UInt64(body.count)), keepsAlive: true),
            adding: AddedFields()
        )
        writer.write(body: ByteBuffer(bytes: body))
        writer.writeEnd(trailers: nil)
    }

    /// Streams the access log's lines. Who reads too slowly gets a line that says how many were left out.
    private func followLog() {
        guard let log = answers.log else { return answer(404, "text/plain", Array("no tail at this door\n".utf8)) }
        let wanted: TailQuery
        do throws(TailQuery.Malformed) {
            wanted = try TailQuery(query: query)
        } catch {
            return answer(400, "text/plain", Array((error.message + "\n").utf8))
        }
        let bound = NIOLoopBound(self, eventLoop: loop)
        tail = log.add(
            AccessLogTail(query: wanted) { lines, skipped in
                bound.eventLoop.execute { bound.value.show(lines, skipped) }
            }
        )
        guard tail != nil else {
            return answer(503, "text/plain", Array("\(AccessLog.mostTails) look on here already\n".utf8))
        }
        beginLines()
    }

    /// Begins an answer that has no end of its own.
    private func beginLines() {
        var block = FieldBlock()
        block.append("content-type", "application/x-ndjson", .contentType)
        writer.write(
            head: ResponseHead(block: block, status: 200, framing: .chunked, keepsAlive: true),
            adding: AddedFields()
        )
        writer.flush()
    }

    /// What `/status` and `/metrics` say, once a second: whoever looks on from elsewhere is let in, and on record, once.
    private func tellFigures() {
        guard answers.log != nil else { return answer(404, "text/plain", Array("no figures at this door\n".utf8)) }
        isTellingFigures = true
        beginLines()
        tellNextFigures()
    }

    private func tellNextFigures() {
        guard isTellingFigures else { return }
        let answers = answers
        let bound = NIOLoopBound(self, eventLoop: loop)
        let promise = loop.makePromise(of: [UInt8].self)
        promise.completeWithTask {
            SidecarFigures.line(status: try await answers.status(), metrics: try await answers.metrics())
        }
        promise.futureResult.whenComplete { result in
            if case .success(let line) = result { bound.value.tell(line) }
            bound.eventLoop.scheduleTask(in: SidecarFigures.period) { bound.value.tellNextFigures() }
        }
    }

    /// Who reads too slowly misses some.
    private func tell(_ line: [UInt8]) {
        guard isTellingFigures, writer.canTakeMore else { return }
        writer.write(body: ByteBuffer(bytes: line))
        writer.flush()
    }

    private func show(_ lines: ByteBuffer, _ skippedBefore: Int) {
        guard tail != nil else { return }
        skipped += skippedBefore
        guard writer.canTakeMore else {
            skipped += lines.readableBytesView.count { $0 == UInt8(ascii: "\n") }
            return
        }
        tellSkipped()
        if lines.readableBytes > 0 { writer.write(body: lines) }
        writer.flush()
    }

    private func tellSkipped() {
        guard skipped > 0 else { return }
        writer.write(body: ByteBuffer(string: "{\"skipped\":\(skipped)}\n"))
        skipped = 0
    }

    func requestBody(_ data: ByteBuffer) {}
    func requestEnd(trailers: FieldBlock?) {}

    func callerCanTakeMore() {
        guard tail != nil, skipped > 0 else { return }
        tellSkipped()
        writer.flush()
    }

    func callerGone() {
        if let tail { answers.log?.remove(tail) }
        tail = nil
        isTellingFigures = false
        isOver = true
    }
}
