import EventLog
import Hummingbird
import NIOCore
import Registry

extension RegistryRoutes {
    /// The log's signed root, as the very file that an auditor keeps.
    func addCheckpoint(to router: Router<Context>) {
        on(router, .get, "/v1/checkpoint") { _ in
            guard let note = registry.checkpoint else { throw Self.noCheckpoint }
            return text(note.rendered)
        }
        on(router, .post, "/v1/checkpoint") { _ in text(try await registry.signCheckpoint().rendered) }
        on(router, .post, "/v1/checkpoint/key") { _ in text("\(try await registry.rotateCheckpointKey())\n") }
        on(router, .get, "/v1/checkpoint/key") { _ in
            guard let key = registry.checkpointKey else { throw Self.noCheckpoint }
            return text("\(key)\n")
        }
    }

    private static let noCheckpoint = ProblemDetails(
        code: "no-checkpoint",
        status: 404,
        title: "No checkpoint",
        detail: "no checkpoint has been signed yet",
        hint: "hms-reg checkpoint show signs one"
    )

    private func text(_ text: String) -> Reply {
        var reply = Reply(body: ByteBuffer(string: text))
        reply.contentType = "text/plain; charset=utf-8"
        reply.noteSequence(registry.sequence)
        return reply
    }
}
