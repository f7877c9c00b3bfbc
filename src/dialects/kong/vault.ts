/** `{vault://env/my-var}` references of Kong documents. Only the environment is a vault here; nothing is fetched. */
import { err, ok, type Result } from '../../base/result.ts';
import { isRecord } from '../check.ts';

/** One configured vault: what stands before the variable's name. */
export interface EnvironmentVault {
  /** `env`, or the `prefix` of a vault entity. */
  readonly name: string;
  /** Kong `vaults[].config.prefix`. */
  readonly variablePrefix: string;
}

export const defaultVaults: readonly EnvironmentVault[] = [{ name: 'env', variablePrefix: '' }];

/** Vaults that a document configures, beside the default one. */
export function vaultsOf(document: unknown): readonly EnvironmentVault[] {
  const vaults: unknown = isRecord(document) ? document.vaults : undefined;
  if (!Array.isArray(vaults)) return defaultVaults;
  const found: EnvironmentVault[] = [...defaultVaults];
  for (const vault of vaults) {
    if (!isRecord(vault) || vault.name !== 'env' || typeof vault.prefix !== 'string') continue;
    const prefix: unknown = isRecord(vault.config) ? vault.config.prefix : undefined;
    found.push({ name: vault.prefix, variablePrefix: typeof prefix === 'string' ? prefix : '' });
  }
  return found;
}

export function isVaultReference(text: string): boolean {
  return text.startsWith('{vault://') && text.endsWith('}');
}

/** The secret, or why there is none. The reason never holds a secret. */
export function resolveReference(
  text: string,
  vaults: readonly EnvironmentVault[],
  environment: Readonly<Record<string, string | undefined>>,
): Result<string, string> {
  const inner = text.slice('{vault://'.length, -1).replace(/[?#].*$/, '');
  const [name = '', resource = '', ...rest] = inner.split('/');
  const vault = vaults.find((candidate) => candidate.name === name);
  if (vault === undefined) return err(`the vault '${name}' does not run here; only env does`);
  if (resource === '' || rest.length > 1) return err('a reference is {vault://env/variable} or {vault://env/variable/field}');
  const variable = `${vault.variablePrefix}${resource}`.replaceAll('-', '_').toUpperCase();
  const value = environment[variable];
  if (value === undefined) return err(`the environment has no variable ${variable}`);
  const [field] = rest;
  if (field === undefined || field === '') return ok(value);
  try {
    const parsed: unknown = JSON.parse(value);
    const inside = isRecord(parsed) && Object.hasOwn(parsed, field) ? parsed[field] : undefined;
    if (typeof inside === 'string' || typeof inside === 'number' || typeof inside === 'boolean') return ok(String(inside));
  } catch {
    return err(`the variable ${variable} does not hold JSON`);
  }
  return err(`the JSON object in ${variable} has no field '${field}'`);
}
