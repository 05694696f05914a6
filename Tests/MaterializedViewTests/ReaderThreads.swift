import Glibc

/// Threads of our own that run one body, so that more of them read at once than the machine has cores.
struct ReaderThreads {
    private final class Body {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) {
            self.run = run
        }
    }

    private var threads: [pthread_t] = []

    init(count: Int, _ run: @escaping @Sendable () -> Void) {
        for _ in 0..<count {
            var thread = pthread_t()
            let body = Unmanaged.passRetained(Body(run))
            let result = pthread_create(
                &thread,
                nil,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                    return nil
                },
                body.toOpaque()
            )
            precondition(result == 0, "no more threads: error \(result)")
            threads.append(thread)
        }
    }

    func join() {
        for thread in threads { pthread_join(thread, nil) }
    }
}
