/** What runs in the frame of a cell's widgets: ipywidgets' own front end, fed by the page. */
import { OutputArea, OutputAreaModel } from "@jupyterlab/outputarea";
import { Widget } from "@lumino/widgets";
import type { Output } from "../../wire/types";
import type { Look } from "../frame_messages";
import { addStyle } from "./amd";
import { Bridge } from "./bridge";
import { Manager } from "./manager";
import { reconcile } from "./outputs";
import { styles } from "./styles";

class Frame {
  private readonly bridge = new Bridge((message) => {
    if (message.lectern === "outputs") this.show(message.outputs);
    else if (message.lectern === "look") this.dress(message);
    else if (message.lectern === "open") this.manager.openModel(message.id, message, message.live);
    else if (message.lectern === "update") this.manager.update(message.id, message);
    else if (message.lectern === "custom") this.manager.hear(message.id, message.content, message.buffers);
    else if (message.lectern === "close") this.manager.closeModel(message.id);
    else this.manager.missing(message.id);
  });
  private readonly manager = new Manager(this.bridge);
  private readonly outputs = new OutputAreaModel({ trusted: true });
  private shown: string[] = [];

  start(): void {
    addStyle(styles());
    const root = document.getElementById("output")!;
    Widget.attach(new OutputArea({ model: this.outputs, rendermime: this.manager.renderMime }), root);
    let told = -1;
    const tell = () => {
      const height = Math.max(root.getBoundingClientRect().bottom, root.scrollHeight) + (document.documentElement.scrollWidth > window.innerWidth ? 16 : 0);
      if (Math.abs(height - told) < 1) return;
      told = height;
      this.bridge.say({ lectern: "height", height });
    };
    new ResizeObserver(tell).observe(root);
    this.bridge.say({ lectern: "running" });
  }

  private show(outputs: Output[]): void {
    this.shown = reconcile(this.outputs, this.shown, outputs);
  }

  private dress({ theme, dark, interact }: Look): void {
    for (const [name, value] of Object.entries(theme)) document.documentElement.style.setProperty(name, value);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    // Who only watches sees every move and makes none.
    document.getElementById("output")!.inert = !interact;
  }
}

new Frame().start();
