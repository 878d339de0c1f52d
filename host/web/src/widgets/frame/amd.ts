/**
 * Widgets of third parties: AMD modules among the `nbextensions` of the kernel's environment. require.js does the loading; what it, webpack's chunks
 * and the widgets' own code would fetch from there goes by the page, and nothing else is fetched at all.
 */
import requireSource from "requirejs/require.js?raw";
import type { Bridge } from "./bridge";

interface RequireContext {
  completeLoad(name: string): void;
  onError(error: Error & { requireType?: string; requireModules?: string[] }): void;
}
interface Require {
  (names: string[], done: (...modules: unknown[]) => void, failed: (error: Error) => void): void;
  config(settings: object): void;
  load(context: RequireContext, name: string, url: string): void;
}
declare global {
  interface Window {
    requirejs: Require;
    define: (name: string, dependencies: string[], make: () => unknown) => void;
  }
}

const FOLDER = "nbextensions/";

/** The file's path, from `nbextensions/` on; null for an address of anything else. */
function assetPath(address: string): string | null {
  const at = address.indexOf(FOLDER);
  if (at < 0 || (at > 0 && address[at - 1] !== "/")) return null;
  return address.slice(at).replace(/[?#].*$/, "");
}

/** Runs a classic script now, in the global scope. */
export function runScript(code: string, name: string): void {
  const script = document.createElement("script");
  script.textContent = `${code}\n//# sourceURL=${name}`;
  document.head.append(script);
  script.remove();
}

export class Loader {
  private ready = false;

  constructor(
    private readonly bridge: Bridge,
    private readonly own: Record<string, unknown>,
  ) {}

  async load(moduleName: string): Promise<Record<string, unknown>> {
    this.start();
    try {
      return await this.require(`nbextensions/${moduleName}/index`);
    } catch (error) {
      // Some put the widget elsewhere, and say where in what a classic notebook runs at its start.
      try {
        await this.require(`nbextensions/${moduleName}/extension`);
        return await this.require(moduleName);
      } catch {
        throw error;
      }
    }
  }

  private require(name: string): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => window.requirejs([name], (module) => resolve(module as Record<string, unknown>), reject));
  }

  private start(): void {
    if (this.ready) return;
    this.ready = true;
    runScript(requireSource, "require.js");
    window.requirejs.config({ baseUrl: "/", waitSeconds: 60 });
    window.requirejs.load = (context, name, url) => {
      this.code(url).then(
        (code) => {
          runScript(code, url);
          context.completeLoad(name);
        },
        (error: Error) => context.onError(Object.assign(error, { requireType: "scripterror", requireModules: [name] })),
      );
    };
    for (const [name, module] of Object.entries(this.own)) window.define(name, [], () => module);
    // What webpack asks for when it finds out where a bundle came from.
    document.body.dataset.baseUrl = "/";
    this.watchElements();
    this.watchFetch();
  }

  private async code(address: string): Promise<string> {
    const path = assetPath(address);
    if (path === null) throw new Error(`${address} is not among the kernel's nbextensions`);
    return new TextDecoder().decode((await this.bridge.asset(path)).bytes);
  }

  /** `<script src>` and `<link rel=stylesheet>` of an nbextension, as webpack adds them for its chunks. */
  private watchElements(): void {
    const take = (node: Node): boolean => {
      const script = node instanceof HTMLScriptElement && node.src ? node : null;
      const sheet = node instanceof HTMLLinkElement && node.rel === "stylesheet" ? node : null;
      const address = script?.getAttribute("src") ?? sheet?.getAttribute("href") ?? "";
      if (assetPath(address) === null) return false;
      const element = (script ?? sheet)!;
      this.code(address).then(
        (text) => {
          if (script) runScript(text, address);
          else addStyle(text);
          element.dispatchEvent(new Event("load"));
        },
        () => element.dispatchEvent(new Event("error")),
      );
      return true;
    };
    const { appendChild, insertBefore } = Node.prototype;
    Node.prototype.appendChild = function <T extends Node>(this: Node, node: T): T {
      return take(node) ? node : (appendChild.call(this, node) as T);
    };
    Node.prototype.insertBefore = function <T extends Node>(this: Node, node: T, before: Node | null): T {
      return take(node) ? node : (insertBefore.call(this, node, before) as T);
    };
  }

  private watchFetch(): void {
    const { fetch } = window;
    window.fetch = async (input, init) => {
      const path = assetPath(typeof input === "string" ? input : input instanceof URL ? input.href : input.url);
      if (path === null) return fetch(input, init);
      const { type, bytes } = await this.bridge.asset(path);
      return new Response(bytes.slice().buffer, { headers: { "Content-Type": type } });
    };
  }
}

export function addStyle(text: string): HTMLStyleElement {
  const style = document.createElement("style");
  style.textContent = text;
  document.head.append(style);
  return style;
}
