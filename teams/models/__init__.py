from teams.models.archive_export import EXPORT_AT_WORK, ArchiveExport, ExportStatus
from teams.models.archive_import import AT_WORK, ArchiveImport, ArchiveKind, ArchiveStatus
from teams.models.audit import AuditEntry
from teams.models.billing import BillCheck, BilledDay
from teams.models.course import Course, Membership, Milestone, ProfessorAssignment, Role, Section, Team, TeamRequest
from teams.models.disk import DiskAccount, DiskKind, DiskUse
from teams.models.mail import MailKind, MailState, OutgoingMail
from teams.models.money import (
    BudgetAccount,
    BudgetAlert,
    BudgetRequest,
    Confidence,
    CourseAccount,
    Hold,
    HoldState,
    LedgerEntry,
    LedgerSum,
    Method,
    PaidFor,
    Price,
    PriceKind,
    Purpose,
    SubjectKind,
)
from teams.models.notice import Announcement, MailChoice, Notice, NoticeKind, ToldOnce
from teams.models.people import OutsideIdentity, User
from teams.models.provider import FIRST_PROVIDER, Dialect, Provider

__all__ = [
    "AT_WORK",
    "EXPORT_AT_WORK",
    "FIRST_PROVIDER",
    "Announcement",
    "ArchiveExport",
    "ArchiveImport",
    "ArchiveKind",
    "ArchiveStatus",
    "AuditEntry",
    "BillCheck",
    "BilledDay",
    "BudgetAccount",
    "BudgetAlert",
    "BudgetRequest",
    "Confidence",
    "Course",
    "CourseAccount",
    "Dialect",
    "DiskAccount",
    "DiskKind",
    "DiskUse",
    "ExportStatus",
    "Hold",
    "HoldState",
    "LedgerEntry",
    "LedgerSum",
    "MailChoice",
    "MailKind",
    "MailState",
    "Membership",
    "Method",
    "Milestone",
    "Notice",
    "NoticeKind",
    "OutgoingMail",
    "OutsideIdentity",
    "PaidFor",
    "Price",
    "PriceKind",
    "ProfessorAssignment",
    "Provider",
    "Purpose",
    "Role",
    "Section",
    "SubjectKind",
    "Team",
    "TeamRequest",
    "ToldOnce",
    "User",
]
