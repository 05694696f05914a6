import { createMesh } from "./mesh.js";

export { createMesh } from "./mesh.js";
export { MeshError } from "./mesh-error.js";

/** The mesh as the nearest sidecar sees it; which one that is, is looked up at the first call. */
export const mesh = createMesh();
