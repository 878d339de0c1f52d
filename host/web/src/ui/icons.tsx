import type { ReactNode } from "react";

function Icon({ children, fill }: { children: ReactNode; fill?: boolean }) {
  return (
    <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" fill={fill ? "currentColor" : "none"} stroke={fill ? "none" : "currentColor"} strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round">
      {children}
    </svg>
  );
}

export const PlayIcon = () => <Icon fill><path d="M6 4.2v11.6a.6.6 0 0 0 .92.5l8.9-5.8a.6.6 0 0 0 0-1L6.92 3.7A.6.6 0 0 0 6 4.2z" /></Icon>;
export const PlayAllIcon = () => <Icon fill><path d="M3.5 5v10a.5.5 0 0 0 .78.42L10 11.6V15a.5.5 0 0 0 .78.42l7.2-5a.5.5 0 0 0 0-.84l-7.2-5A.5.5 0 0 0 10 5v3.4L4.28 4.58A.5.5 0 0 0 3.5 5z" /></Icon>;
export const StopIcon = () => <Icon fill><rect x="5" y="5" width="10" height="10" rx="1.6" /></Icon>;
export const RestartIcon = () => <Icon><path d="M15.5 8A6 6 0 1 0 16 11.2" /><path d="M16 4v4h-4" /></Icon>;
export const PlusIcon = () => <Icon><path d="M10 4.5v11M4.5 10h11" /></Icon>;
export const SaveIcon = () => <Icon><path d="M4 4h9l3 3v9H4z" /><path d="M7 4v4h5V4M7 16v-4h6v4" /></Icon>;
export const UpIcon = () => <Icon><path d="M10 16V5M5.5 9 10 4.5 14.5 9" /></Icon>;
export const DownIcon = () => <Icon><path d="M10 4v11M5.5 11l4.5 4.5 4.5-4.5" /></Icon>;
export const TrashIcon = () => <Icon><path d="M4.5 6h11M8 6V4.2h4V6M6 6l.7 10h6.6L14 6" /></Icon>;
export const CloseIcon = () => <Icon><path d="m5.5 5.5 9 9M14.5 5.5l-9 9" /></Icon>;
export const FolderIcon = () => <Icon><path d="M3 5.5h5l1.6 2H17v8H3z" /></Icon>;
export const NotebookIcon = () => <Icon><rect x="4.5" y="3" width="11" height="14" rx="1.6" /><path d="M7.6 3v14M10.4 7h2.6M10.4 10h2.6" /></Icon>;
export const FileIcon = () => <Icon><path d="M5.5 3h6l3.5 3.5V17h-9.5z" /><path d="M11.5 3v3.5H15" /></Icon>;
export const PenIcon = () => <Icon><path d="m4 16 .8-3.4L13.4 4a1.4 1.4 0 0 1 2 0l.6.6a1.4 1.4 0 0 1 0 2L7.4 15.2z" /><path d="m12 5.4 2.6 2.6" /></Icon>;
export const EyeIcon = () => <Icon><path d="M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5z" /><circle cx="10" cy="10" r="2.2" /></Icon>;
export const KeyboardIcon = () => <Icon><rect x="2.5" y="5" width="15" height="10" rx="1.6" /><path d="M5.5 8.2h.01M8.5 8.2h.01M11.5 8.2h.01M14.5 8.2h.01M6.5 12h7" /></Icon>;
export const SearchIcon = () => <Icon><circle cx="9" cy="9" r="5" /><path d="m13 13 3.5 3.5" /></Icon>;
export const OutlineIcon = () => <Icon><path d="M4 5.5h12M7 10h9M7 14.5h6" /></Icon>;
export const PeopleIcon = () => <Icon><circle cx="8" cy="7.5" r="2.8" /><path d="M3 16c.4-3 2.4-4.4 5-4.4s4.6 1.4 5 4.4M13 5.2a2.5 2.5 0 0 1 0 4.7M14.5 11.9c1.5.6 2.4 1.9 2.6 4.1" /></Icon>;
export const DevicesIcon = () => <Icon><rect x="2.5" y="4" width="11" height="8" rx="1.2" /><path d="M5 15.5h5" /><rect x="12.5" y="8" width="5" height="8.5" rx="1.2" fill="var(--bg)" /></Icon>;
export const GripIcon = () => <Icon fill><circle cx="7.5" cy="5" r="1.3" /><circle cx="12.5" cy="5" r="1.3" /><circle cx="7.5" cy="10" r="1.3" /><circle cx="12.5" cy="10" r="1.3" /><circle cx="7.5" cy="15" r="1.3" /><circle cx="12.5" cy="15" r="1.3" /></Icon>;
export const FoldIcon = () => <Icon><path d="M4 10h12M7 4l3 3 3-3M7 16l3-3 3 3" /></Icon>;
export const NextIcon = () => <Icon><path d="m8 4.5 5.5 5.5L8 15.5" /></Icon>;
export const PreviousIcon = () => <Icon><path d="M12 4.5 6.5 10l5.5 5.5" /></Icon>;
export const UploadIcon = () => <Icon><path d="M10 13V4.5M6.5 8 10 4.5 13.5 8M4 13v3h12v-3" /></Icon>;
export const DownloadIcon = () => <Icon><path d="M10 4v8.5M6.5 9 10 12.5 13.5 9M4 13v3h12v-3" /></Icon>;
export const VariablesIcon = () => <Icon><path d="M6 4.5H4.5v11H6M14 4.5h1.5v11H14M8 8l4 5M12 8l-4 5" /></Icon>;
export const ResizeIcon = () => <Icon><path d="M15.5 8v7.5H8M15.5 15.5 9 9" /></Icon>;
export const FormatIcon = () => <Icon><path d="M4 5.5h12M4 8.5h7M7 11.5h9M7 14.5h5" /></Icon>;
export const ShareIcon = () => <Icon><circle cx="14.5" cy="5" r="2" /><circle cx="5.5" cy="10" r="2" /><circle cx="14.5" cy="15" r="2" /><path d="m7.3 9 5.4-3M7.3 11l5.4 3" /></Icon>;
export const SettingsIcon = () => <Icon><path d="M3.5 6.5h6M13.5 6.5h3M3.5 13.5h3M10.5 13.5h6" /><circle cx="11.5" cy="6.5" r="2" /><circle cx="8.5" cy="13.5" r="2" /></Icon>;
export const MoreIcon = () => <Icon fill><circle cx="5" cy="10" r="1.5" /><circle cx="10" cy="10" r="1.5" /><circle cx="15" cy="10" r="1.5" /></Icon>;
export const NewFolderIcon = () => <Icon><path d="M3 5.5h5l1.6 2H17v8H3z" /><path d="M10 9.3v4.4M7.8 11.5h4.4" /></Icon>;
