// Owns small answers about requests, paths and errors that the routes share. Must not know the server.
import type { Context } from 'hono';
import { matchedRoutes } from 'hono/route';
import { ApiError } from './api-error.ts';
import { plainPath } from './exchange.ts';
import type { ModelShelf } from './model-shelf.ts';

/** Node's adapter aborts with a text, browsers with an exception. */
export function isClientGone(reason: unknown): boolean {
  return typeof reason === 'string' || (reason instanceof DOMException && reason.name === 'AbortError');
}

/** A model as /v1/models lists it; a support model is as old as the server. */
export async function modelObject(id: string, { shelf }: { readonly shelf: ModelShelf }): Promise<object> {
  const created = await shelf.modifiedAt(id);
  return { id, object: 'model', created: Math.floor(created.getTime() / 1000), owned_by: 'onebit' };
}

/** The pattern that matched: of all requests few, whatever is asked for. */
export function routeOf(c: Context): string {
  return matchedRoutes(c).findLast((route) => route.method !== 'ALL')?.path ?? 'none';
}

/** The path that is asked for; clients that join addresses may write two slashes where there is one, or one at the end. */
export function pathOf(request: Request): string {
  return URL.canParse(request.url) ? plainPath(new URL(request.url).pathname) : '/';
}

/** The pattern of the routes' library for an operation's path. */
export function routePath({ path, slashes }: { readonly path: string; readonly slashes?: boolean }): string {
  return path.replace(/\{(\w+)\}/g, slashes ? ':$1{.+}' : ':$1');
}

/** What the paths of a route match. */
export function patternOf(route: string): RegExp {
  return new RegExp(`^${route.replace(/:\w+\{(.+?)\}/g, '$1').replace(/:\w+/g, '[^/]+')}$`);
}

/** What is said of a request that none of `routes` takes. */
export function nothingAt(
  asked: { readonly path: string; readonly method: string },
  routes: readonly { readonly path: string; readonly method: string }[],
): ApiError {
  const found = routes.filter(({ path, method }) => method !== 'ALL' && patternOf(path).test(asked.path));
  const methods = [...new Set(found.map((route) => route.method))];
  // One that has the method says itself that it has nothing: a page's file that is not there.
  if (methods.length > 0 && !methods.includes(asked.method === 'HEAD' ? 'GET' : asked.method)) {
    const allow = methods.join(', ');
    return new ApiError(405, `This route takes ${allow}.`, { code: 'method_not_allowed', allow });
  }
  return nothingHere();
}

export function nothingHere(): ApiError {
  return new ApiError(404, 'There is no such route. GET /openapi.json says what there is.', { code: 'not_found' });
}

/** An answer that is not kept, or somebody else's. */
export function noSuchResponse(): ApiError {
  return new ApiError(404, 'There is no such response here (any more).', { code: 'response_not_found' });
}

/** What every request is told at the end of the server. */
export function shuttingDown(): ApiError {
  return new ApiError(503, 'The server is shutting down.', { code: 'shutting_down', retryAfterSeconds: 1 });
}
