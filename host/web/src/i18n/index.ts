import i18next, { type TOptions } from "i18next";
import { initReactI18next } from "react-i18next";
import en from "./locales/en.json";

/** The languages that are complete; each is named in itself. */
export const LANGUAGES = { en: "English", zh: "简体中文", "zh-hant": "繁體中文", ja: "日本語" } as const;
export type Language = keyof typeof LANGUAGES;
export type Key = keyof typeof en extends infer K ? (K extends `${infer Stem}_one` | `${infer Stem}_other` ? Stem : K) : never;

/** A text that is known before its language is: what the state keeps instead of words. */
export interface Words {
  key: Key;
  values?: Record<string, string | number>;
}

const STORAGE_KEY = "lectern-language";

/** English comes with the page; the others load when somebody reads them. */
const CATALOGUES: Record<Exclude<Language, "en">, () => Promise<{ default: Record<string, string> }>> = {
  zh: () => import("./locales/zh.json"),
  "zh-hant": () => import("./locales/zh-hant.json"),
  ja: () => import("./locales/ja.json"),
};

const TRADITIONAL = /^zh-(hant|tw|hk|mo)\b/i;

/** The first of the wanted languages that is there, by its language and, for Chinese, its script. */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    if (TRADITIONAL.test(tag)) return "zh-hant";
    const stem = tag.toLowerCase().split("-")[0]!;
    if (stem in LANGUAGES) return stem as Language;
  }
  return "en";
}

export const i18n = i18next.createInstance();
// Catalogues are objects in memory, so this is done when it returns.
void i18n.use(initReactI18next).init({
  lng: "en",
  fallbackLng: "en",
  resources: { en: { translation: en } },
  lowerCaseLng: true,
  keySeparator: false,
  nsSeparator: false,
  initAsync: false,
  interpolation: { escapeValue: false }, // React escapes
  react: { useSuspense: false },
});

/** Words outside of React: in the language of the moment. */
export function say(key: Key, values: Record<string, string | number> = {}): string {
  return (i18n.t as unknown as (name: string, options: TOptions) => string)(key, values);
}

/** A text with its holes still open, for whoever fills them elsewhere. */
export function template(key: Key): string {
  return (i18n.t as unknown as (name: string, options: TOptions) => string)(key, { skipInterpolation: true });
}

export function sayWords(words: Words): string {
  return say(words.key, words.values);
}

export async function showLanguage(language: Language): Promise<void> {
  if (language !== "en" && !i18n.hasResourceBundle(language, "translation")) {
    const catalogue = await CATALOGUES[language]();
    i18n.addResourceBundle(language, "translation", catalogue.default);
  }
  await i18n.changeLanguage(language);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language === "zh-hant" ? "zh-Hant" : language;
  document.documentElement.dir = i18n.dir(language);
}

export function rememberLanguage(language: Language): void {
  try {
    localStorage.setItem(STORAGE_KEY, language);
  } catch {
    /* a browser that stores nothing asks its own settings again next time */
  }
}

/** What was chosen here before, else what the browser asks for. */
export function preferredLanguage(): Language {
  let chosen: string | null = null;
  try {
    chosen = localStorage.getItem(STORAGE_KEY);
  } catch {
    /* as if nothing was chosen */
  }
  return chooseLanguage([...(chosen ? [chosen] : []), ...navigator.languages]);
}

/** The tag for dates and numbers. */
export function locale(): string {
  const language = i18n.language;
  return language === "zh" ? "zh-Hans" : language === "zh-hant" ? "zh-Hant" : language;
}

export function timeOfDay(at: string | number): string {
  const when = new Date(at);
  return Number.isNaN(when.getTime()) ? "" : when.toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" });
}

const unit = (value: number, name: string, digits = 0, unitDisplay: "short" | "narrow" = "narrow") =>
  new Intl.NumberFormat(locale(), { style: "unit", unit: name, unitDisplay, minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** How long something took or has been going on. */
export function duration(ms: number): string {
  if (ms < 1000) return unit(Math.round(ms), "millisecond");
  if (ms < MINUTE_MS) return unit(ms / 1000, "second", ms < 10_000 ? 1 : 0);
  const minutes = Math.floor(ms / MINUTE_MS);
  if (minutes < 60) return `${unit(minutes, "minute")} ${unit(Math.floor((ms % MINUTE_MS) / 1000), "second")}`;
  return `${unit(Math.floor(minutes / 60), "hour")} ${unit(minutes % 60, "minute")}`;
}

/** The same where only its size matters. */
export function coarse(ms: number): string {
  const [value, name] = ms < HOUR_MS ? [Math.max(1, ms / MINUTE_MS), "minute"] : ms < DAY_MS ? [ms / HOUR_MS, "hour"] : [ms / DAY_MS, "day"];
  return unit(Math.floor(value), name, 0, "short");
}

/** How long ago, while that says more than the day does. */
export function since(at: string | number, now = Date.now()): string {
  const ms = now - new Date(at).getTime();
  if (!(ms < DAY_MS)) return day(at);
  const ago = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  if (ms < MINUTE_MS) return ago.format(0, "second");
  return ms < HOUR_MS ? ago.format(-Math.floor(ms / MINUTE_MS), "minute") : ago.format(-Math.floor(ms / HOUR_MS), "hour");
}

export function day(at: string | number): string {
  const when = new Date(at);
  return Number.isNaN(when.getTime()) ? "" : when.toLocaleDateString(locale(), { year: "numeric", month: "short", day: "numeric" });
}
