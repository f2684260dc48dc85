export function releaseProblems(release: {
  tag: string;
  version: string;
  lockVersion: string;
  changelog: string;
}): string[];
export function addonProblems(prebuilds: string, platforms: readonly string[], releases: readonly string[]): string[];
