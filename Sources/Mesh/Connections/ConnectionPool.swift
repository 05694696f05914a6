import NIOCore

/// Whoever waits for a connection to send a try on.
protocol PoolWaiter: AnyObject {
    func obtained(_ exchange: any UpstreamExchange, isReused: Bool)
    func notConnected(_ failure: ExchangeFailure)
    var responseSink: any ResponseSink { get }
}

/// The connections to one destination: HTTP/1 ones taken by one request at a time, the last used first; HTTP/2 ones shared.
final class ConnectionPool {
    /// Idle for no longer than this, a connection is not just being closed at the other end, as good as surely.
    static let surelyOpen = TimeAmount.milliseconds(500)

    let destination: Destination
    private let connector: Connector
    private var idle: [HTTP1ClientHandler] = []
    private var shared: [HTTP2ClientConnection] = []
    private var waiters: [Waiting] = []
    private(set) var connecting = 0
    private(set) var open = 0
    private var isClosed = false

    private struct Waiting {
        let waiter: any PoolWaiter
        let http2: Bool
    }

    init(destination: Destination, connector: Connector) {
        self.destination = destination
        self.connector = connector
    }

    /// Gets a connection, at once where one is free.
    ///
    /// - Parameter freshness: a connection idle for longer is passed over: it may just be closing at the other end.
    func acquire(http2: Bool, freshness: TimeAmount?, now: NIODeadline, for waiter: any PoolWaiter) {
        if http2 {
            if let connection = shared.first(where: { $0.isUsable && $0.streams < HTTP2ClientConnection.mostStreams }) {
                return openStream(on: connection, for: waiter, isReused: true)
            }
            // One connection for all: whoever comes while it is made waits for it.
            waiters.append(Waiting(waiter: waiter, http2: true))
            if connecting == 0 || shared.contains(where: \.isUsable) { connect(http2: true) }
            return
        }
        while let handler = idle.popLast() {
            guard handler.isUsable, now - handler.idleSince < keepAlive(of: handler) else {
                handler.close()
                continue
            }
            if let freshness, now - handler.idleSince > freshness {
                // All below it have been idle for longer still.
                idle.append(handler)
                break
            }
            handler.start(waiter.responseSink)
            return waiter.obtained(handler, isReused: true)
        }
        waiters.append(Waiting(waiter: waiter, http2: false))
        connect(http2: false)
    }

    /// It waits no more; a connection that is being made for it serves the next.
    func cancel(_ waiter: any PoolWaiter) {
        waiters.removeAll { $0.waiter === waiter }
    }

    func closeIdle(now: NIODeadline) {
        let stale = idle.filter { now - $0.idleSince >= keepAlive(of: $0) || !$0.isUsable }
        idle.removeAll { handler in stale.contains { $0 === handler } }
        // A closing connection comes back to this pool: it must find it at rest.
        for handler in stale { handler.close() }
        for connection in shared where connection.streams == 0 && now - connection.idleSince >= destination.keepAlive {
            connection.close()
        }
        shared.removeAll { !$0.isUsable && $0.streams == 0 }
    }

    /// How many connections do what at the moment.
    struct Load: Sendable {
        var busy = 0
        var idle = 0
        var connecting = 0
        /// Tries that wait for a connection.
        var waiting = 0

        mutating func add(_ other: Load) {
            busy += other.busy
            idle += other.idle
            connecting += other.connecting
            waiting += other.waiting
        }
    }

    var load: Load {
        let resting = idle.count + shared.count { $0.streams == 0 }
        return Load(busy: max(0, open - resting), idle: resting, connecting: connecting, waiting: waiters.count)
    }

    /// Takes nothing new; what is under way ends.
    func close() {
        isClosed = true
        for handler in idle { handler.close() }
        idle.removeAll()
        for connection in shared where connection.streams == 0 { connection.close() }
    }

    private func keepAlive(of handler: HTTP1ClientHandler) -> TimeAmount {
        guard case .app = destination, let said = handler.peerKeepAlive else { return destination.keepAlive }
        return .seconds(Int64(max(0, min(said, 3_600) - 1)))
    }

    private func connect(http2: Bool) {
        connecting += 1
        connector.connect(to: destination, http2: http2) { [self] result in
            connecting -= 1
            switch result {
            case .success(.http1(let handler)): add(handler)
            case .success(.http2(let connection)): add(connection)
            case .failure(let failure): fail(http2: http2, failure)
            }
        }
    }

    private func add(_ handler: HTTP1ClientHandler) {
        open += 1
        handler.onRelease = { [self] handler, isReusable in
            guard isReusable else {
                open -= 1
                idle.removeAll { $0 === handler }
                return
            }
            offer(handler)
        }
        offer(handler)
    }

    private func offer(_ handler: HTTP1ClientHandler) {
        if let index = waiters.firstIndex(where: { !$0.http2 }) {
            let waiter = waiters.remove(at: index).waiter
            handler.start(waiter.responseSink)
            waiter.obtained(handler, isReused: handler.requests > 1)
        } else if isClosed {
            handler.close()
        } else {
            idle.append(handler)
        }
    }

    private func add(_ connection: HTTP2ClientConnection) {
        open += 1
        connection.onEnd = { [self] connection in
            open -= 1
            shared.removeAll { $0 === connection }
        }
        shared.append(connection)
        let waiting = waiters.filter(\.http2)
        waiters.removeAll(where: \.http2)
        for waiter in waiting { openStream(on: connection, for: waiter.waiter, isReused: false) }
    }

    private func openStream(on connection: HTTP2ClientConnection, for waiter: any PoolWaiter, isReused: Bool) {
        connection.open { result in
            switch result {
            case .success(let stream):
                stream.start(waiter.responseSink)
                waiter.obtained(stream, isReused: isReused)
            case .failure(let failure): waiter.notConnected(failure)
            }
        }
    }

    private func fail(http2: Bool, _ failure: ExchangeFailure) {
        if http2 {
            let waiting = waiters.filter(\.http2)
            waiters.removeAll(where: \.http2)
            for waiter in waiting { waiter.waiter.notConnected(failure) }
        } else if let index = waiters.firstIndex(where: { !$0.http2 }) {
            waiters.remove(at: index).waiter.notConnected(failure)
        }
    }
}
