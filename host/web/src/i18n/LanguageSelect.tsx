import { useTranslation } from "react-i18next";
import { i18n, LANGUAGES, rememberLanguage, showLanguage, type Language } from "./index";

export function LanguageSelect() {
  const { t } = useTranslation();
  const choose = (language: Language) => {
    rememberLanguage(language);
    void showLanguage(language);
  };
  return (
    <label className="select">
      <span className="visually-hidden">{t("app.language")}</span>
      <select value={i18n.language} onChange={(event) => choose(event.target.value as Language)} data-testid="language">
        {Object.entries(LANGUAGES).map(([code, name]) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
