import Synchronization

/// Everything that a developer sees of the application and the mesh, line by line, each with whose it is.
///
/// Begins by keeping the application's lines back, so that what the command says about itself comes first; from
/// ``release()`` on they go through as they come. Lines of several threads are never mixed.
public final class ApplicationOutput: Sendable {
    /// Kept back at most, in bytes of UTF-8; beyond it everything goes through.
    public static let heldBytes = 256 * 1_024

    /// One instance's two streams.
    public struct Source: Sendable, Hashable {
        fileprivate let index: Int
    }

    private struct State {
        var prefixers: [(output: OutputPrefixer, errors: OutputPrefixer)]
        var held: [(stream: ChildProcess.Stream, text: String)] = []
        var bytesHeld = 0
        var isHeld = true
    }

    private let mesh: OutputPrefixer
    private let write: @Sendable (ChildProcess.Stream, String) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - labels: an instance's each: `app`, or `app:7000`, `app:7010`.
    ///   - paintApplication: colours the application's labels; `paintMesh`: the mesh's.
    ///   - write: takes whole lines; called under a lock, from any thread.
    public init(
        labels: [String],
        paintApplication: (String) -> String = { $0 },
        paintMesh: (String) -> String = { $0 },
        write: @escaping @Sendable (ChildProcess.Stream, String) -> Void
    ) {
        let width = OutputPrefixer.width(of: labels)
        mesh = OutputPrefixer(label: "mesh", width: width, paint: paintMesh)
        self.write = write
        let prefixers = labels.map { OutputPrefixer(label: $0, width: width, paint: paintApplication) }
        state = Mutex(State(prefixers: prefixers.map { ($0, $0) }))
    }

    /// The source of the label at `index`.
    ///
    /// - Precondition: there is one.
    public func source(_ index: Int) -> Source {
        precondition(state.withLock { $0.prefixers.indices.contains(index) }, "a source has a label")
        return Source(index: index)
    }

    /// What the application wrote.
    public func take(_ bytes: ArraySlice<UInt8>, of stream: ChildProcess.Stream, from source: Source) {
        state.withLock { state in
            let lines =
                switch stream {
                case .output: state.prefixers[source.index].output.take(bytes)
                case .errors: state.prefixers[source.index].errors.take(bytes)
                }
            pass(lines, stream, &state)
        }
    }

    /// The application has ended: what it left without a newline goes through too.
    public func finish(_ source: Source) {
        state.withLock { state in
            pass(state.prefixers[source.index].output.finish(), .output, &state)
            pass(state.prefixers[source.index].errors.finish(), .errors, &state)
        }
    }

    /// A line about the mesh, on the error stream; never kept back.
    public func note(_ text: String) {
        state.withLock { _ in write(.errors, mesh.line(text)) }
    }

    /// What was kept back goes through, and everything from now on.
    public func release() {
        state.withLock { release(&$0) }
    }

    private func pass(_ lines: String, _ stream: ChildProcess.Stream, _ state: inout State) {
        guard !lines.isEmpty else { return }
        guard state.isHeld else { return write(stream, lines) }
        state.held.append((stream, lines))
        state.bytesHeld += lines.utf8.count
        if state.bytesHeld > Self.heldBytes { release(&state) }
    }

    private func release(_ state: inout State) {
        for (stream, lines) in state.held { write(stream, lines) }
        state.held = []
        state.isHeld = false
    }
}
