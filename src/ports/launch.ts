/** What a guard starts and stops of one application, as whoever configures it and whoever carries it out both know it. */

/** What runs containers. */
export const CONTAINER_TOOLS = ['docker', 'podman'] as const;
export type ContainerTool = (typeof CONTAINER_TOOLS)[number];

/** What a guard runs. */
export type Launch =
  /** By /bin/sh. */
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'unit'; readonly unit: string }
  | { readonly kind: 'container'; readonly container: string; readonly tool: ContainerTool };
