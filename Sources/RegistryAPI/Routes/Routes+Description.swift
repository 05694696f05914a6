import Hummingbird
import NIOCore
import RegistryModel

extension RegistryRoutes {
    /// The API in OpenAPI 3.1, for whoever makes a client or wants to look around.
    func addDescription(to router: Router<Context>) {
        on(router, .get, "/openapi.json", for: .anyone) { _ in Reply(body: Self.description) }
    }

    private static let description = ByteBuffer(bytes: PackageResources.openapi_json)
}
